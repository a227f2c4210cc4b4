from __future__ import annotations

import pytest

from tests.cli.commands import Commands, options_of


def test_the_demo_is_that_of_shinkai(commands: Commands) -> None:
    result = commands.run("demo")
    assert (result.status, result.err) == (0, "")
    assert "@@carol.shinkai" in result.out


def test_the_layers_below_have_one_of_their_own(commands: Commands) -> None:
    steps = commands.run("demo", "--libp2p", "--size", "0", "--json").json
    assert [step["step"] for step in steps[:2]] == ["identities", "connect"]


def test_a_size_needs_a_transfer(commands: Commands) -> None:
    result = commands.run("demo", "--size", "1M")
    assert (result.status, result.out) == (1, "")
    assert "--libp2p" in result.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--symmetric"], "--nat --libp2p"),
        (["--symmetric", "--nat"], "--nat --libp2p"),
        (["--symmetric", "--libp2p"], "--nat --libp2p"),
        (["--nat", "--libp2p", "--size", "1M"], "--size does not go with --nat"),
    ],
)
def test_what_goes_with_what(commands: Commands, argv: list[str], words: str) -> None:
    result = commands.run("demo", *argv)
    assert (result.status, result.out) == (1, "")
    assert words in result.err


@pytest.mark.parametrize(("argv", "size"), [([], None), (["--size", "5M"], 5_000_000)])
def test_the_size_is_read(argv: list[str], size: int | None) -> None:
    assert options_of("demo", "--libp2p", *argv).size == size
