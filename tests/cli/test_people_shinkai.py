from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.cli.people_shinkai import data_folder
from tests.cli.commands import Commands, options_of


def test_the_folder_is_given_or_the_environment_s_or_that_of_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODE_STORAGE_PATH", raising=False)
    assert data_folder(options_of("peers")) == Path("storage")
    monkeypatch.setenv("NODE_STORAGE_PATH", "elsewhere")
    assert data_folder(options_of("peers")) == Path("elsewhere")
    assert data_folder(options_of("peers", "--data", "here")) == Path("here")


@pytest.mark.parametrize(
    "words",
    [["node"], ["send"], ["inbox"], ["queue"], ["peers"], *(["identity", each] for each in ("new", "show", "add"))],
)
def test_each_has_its_help_and_its_folder(commands: Commands, words: list[str]) -> None:
    result = commands.run(*words, "--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"usage: p2pstack {' '.join(words)}")
    assert "--data DIR" in result.out
    assert "--json" in result.out


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["node", "--profile", "tail"], "invalid choice: 'tail'"),
        (["node", "--directory", "a", "--rpc-url", "b"], "not allowed with"),
        (["node", "--ws-port", "0"], "no number of at least 1"),
        (["send", "@@bob.shinkai"], "TEXT"),
        (["send", "@@bob.shinkai", "text", "--wait", "-1"], "no number of seconds"),
        (["queue", "clear"], "invalid choice: 'clear'"),
        (["inbox", "--limit", "0"], "no number of at least 1"),
        (["identity"], "ACTION"),
        (["identity", "new"], "--name"),
    ],
)
def test_what_makes_no_sense_is_one_line(commands: Commands, argv: list[str], complaint: str) -> None:
    result = commands.run(*argv)
    assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
    assert complaint in result.err
