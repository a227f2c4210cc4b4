"""The arguments of ``p2pstack rendezvous``."""

from __future__ import annotations

import pytest

from tests.cli.commands import Commands, options_of

POINT = "/ip4/192.0.2.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"


@pytest.mark.parametrize("words", [("register", "name"), ("discover", "name")])
def test_without_a_point_nothing_is_done(commands: Commands, words: tuple[str, ...]) -> None:
    result = commands.run("rendezvous", *words)
    assert result.status == 1
    assert "--at" in result.err


def test_defaults() -> None:
    options = options_of("rendezvous", "discover", "--at", POINT, "--at", POINT)
    assert (options.namespace, options.at, options.timeout) == ("", [POINT, POINT], 15)
    options = options_of("rendezvous", "register", "name", "--at", POINT, "--ttl", "9000")
    assert (options.namespace, options.listen, options.ttl) == ("name", None, 9_000)
    assert options_of("rendezvous", "serve").listen is None
