"""The arguments of ``p2pstack dht``."""

from __future__ import annotations

import pytest

from p2pstack.cli.dht_operations import OPERATIONS
from tests.cli.commands import Commands, options_of


def test_there_is_a_command_for_each_operation(commands: Commands) -> None:
    shown = commands.run("dht", "--help").out
    assert [name for name in OPERATIONS if f" {name} " not in shown.replace("\n", " ")] == []


def test_without_a_node_to_enter_by_nothing_is_done(commands: Commands) -> None:
    result = commands.run("dht", "closest", "x")
    assert result.status == 1
    assert "--bootstrap" in result.err


@pytest.mark.parametrize("name", OPERATIONS)
def test_defaults(name: str) -> None:
    value = ["value"] if name == "put" else []
    options = options_of("dht", name, "subject", *value, "--bootstrap", "/ip4/192.0.2.1/tcp/1")
    assert options.operation == name
    assert options.protocol == "/ipfs/kad/1.0.0"
    assert options.timeout == 30


@pytest.mark.parametrize("name", ["--protocol", "--dht-protocol"])
def test_the_network_goes_by_the_name_that_other_commands_have(name: str) -> None:
    options = options_of("dht", "closest", "x", "--bootstrap", "/ip4/192.0.2.1/tcp/1", name, "/example/kad/1.0.0")
    assert options.protocol == "/example/kad/1.0.0"
