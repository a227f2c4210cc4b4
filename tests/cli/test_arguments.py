from __future__ import annotations

import argparse
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.cli.arguments import CommandError, Parser, add_common, add_loop, count, seconds, seed, size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("4096", 4096), ("64K", 64_000), ("64k", 64_000), ("64KiB", 65_536), ("1.5M", 1_500_000),
        ("2G", 2 * 10**9), ("1MiB", 1 << 20), ("3B", 3), ("1TB", 10**12), ("9007199254740993", 9007199254740993),
    ],
)  # fmt: skip
def test_sizes(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "K", "-1", "1X", "1e6", "1 2", "0x10", "1.M"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no size"):
        size(text)


@given(st.text(max_size=10))
def test_any_text_is_a_size_or_an_argument_error(text: str) -> None:
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert size(text) >= 0


def test_counts() -> None:
    assert count("1") == 1
    assert count("20000") == 20_000
    for text in ("0", "-1", "1.5", "", "²", "many"):
        with pytest.raises(argparse.ArgumentTypeError):
            count(text)


def test_seconds() -> None:
    assert seconds("0") == 0
    assert seconds("1.5") == 1.5
    for text in ("-1", "nan", "inf", "soon"):
        with pytest.raises(argparse.ArgumentTypeError):
            seconds(text)


def test_seeds() -> None:
    assert seed("5a" * 32) == b"Z" * 32
    for text in ("", "5a", "5a" * 33, "zz" * 32):
        with pytest.raises(argparse.ArgumentTypeError, match="64 hex digits"):
            seed(text)


def test_a_parser_raises_and_points_to_its_help() -> None:
    parser = Parser(prog="p2pstack thing")
    parser.add_argument("--number", type=count)
    with pytest.raises(CommandError, match=r"^argument --number: '0' is no number .*`p2pstack thing --help`"):
        parser.parse_args(["--number", "0"])


def test_common_arguments() -> None:
    parser = Parser()
    add_common(parser)
    add_loop(parser)
    assert parser.parse_args([]) == argparse.Namespace(json=False, loop=None)
    assert parser.parse_args(["--json", "--loop", "asyncio"]) == argparse.Namespace(json=True, loop="asyncio")
    with pytest.raises(CommandError, match="trio"):
        parser.parse_args(["--loop", "trio"])
