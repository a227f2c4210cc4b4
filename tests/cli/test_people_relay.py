"""The arguments of ``p2pstack relay``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands import Commands, options_of


def test_its_folder_is_not_a_nodes() -> None:
    assert options_of("relay").data == Path("relay")


def test_help_names_what_the_original_reads(commands: Commands) -> None:
    shown = " ".join(commands.run("relay", "--help").out.split())
    for word in ("NODE_NAME", "PORT", "MAX_CONNECTIONS", "PING_INTERVAL_SECS", "--circuit-bytes", "1024"):
        assert word in shown


def test_a_limit_is_a_number_of_at_least_1(commands: Commands) -> None:
    assert commands.run("relay", "--max-named", "0").status == 1
