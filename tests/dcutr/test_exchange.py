"""The order of the messages, and what both sides make of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from p2pstack.dcutr.candidates import parsed
from p2pstack.dcutr.exchange import Answerer, Opener
from p2pstack.dcutr.messages import HolePunch, Kind
from p2pstack.errors import ProtocolViolation
from p2pstack.identity.multiaddrs import Multiaddr, parse

MINE, THEIRS = parse("/ip4/5.10.0.7/tcp/4001"), parse("/ip4/5.10.0.8/tcp/4002")
CONNECT = HolePunch(Kind.CONNECT, (THEIRS.to_bytes(),)).encode()
SYNC = HolePunch(Kind.SYNC).encode()


def choose(encoded: Sequence[bytes]) -> list[Multiaddr]:
    return parsed(encoded)


@pytest.mark.req("DCUTR-03")
def test_both_sides_learn_whom_to_dial_and_when() -> None:
    opener, answerer = Opener([MINE], choose), Answerer([THEIRS], choose)
    answer = answerer.receive_connect(opener.connect(10.0))
    sync, addresses, delay = opener.receive(answer, 10.5)
    answerer.receive_sync(sync)
    assert (addresses, answerer.addresses) == ([THEIRS], [MINE])
    assert delay == 0.25


@pytest.mark.req("DCUTR-03")
def test_the_messages_hold_what_is_theirs() -> None:
    opener = Opener([MINE], choose)
    assert HolePunch.decode(opener.connect(0.0)) == HolePunch(Kind.CONNECT, (MINE.to_bytes(),))
    assert opener.receive(CONNECT, 1.0)[0] == SYNC
    assert Answerer([MINE], choose).receive_connect(CONNECT) == opener.connect(0.0)


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-03")
@pytest.mark.parametrize("payload", [SYNC, b"", b"\xff", HolePunch(Kind.SYNC, (THEIRS.to_bytes(),)).encode()])
def test_anything_but_a_connect_is_refused_where_one_is_due(payload: bytes) -> None:
    opener = Opener([MINE], choose)
    opener.connect(0.0)
    for receive in (lambda: opener.receive(payload, 1.0), lambda: Answerer([MINE], choose).receive_connect(payload)):
        with pytest.raises(ProtocolViolation) as caught:
            receive()
        assert caught.value.requirement in {"DCUTR-01", "DCUTR-03", "GEN-07"}


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-03")
@pytest.mark.parametrize("payload", [CONNECT, b"", b"\xff"])
def test_anything_but_a_sync_is_refused_where_one_is_due(payload: bytes) -> None:
    answerer = Answerer([MINE], choose)
    answerer.receive_connect(CONNECT)
    with pytest.raises(ProtocolViolation):
        answerer.receive_sync(payload)


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05")
@pytest.mark.parametrize("addresses", [(), (b"nonsense",)])
def test_a_connect_without_an_address_to_dial_is_refused(addresses: tuple[bytes, ...]) -> None:
    empty = HolePunch(Kind.CONNECT, addresses).encode()
    opener = Opener([MINE], choose)
    opener.connect(0.0)
    for receive in (lambda: opener.receive(empty, 1.0), lambda: Answerer([MINE], choose).receive_connect(empty)):
        with pytest.raises(ProtocolViolation) as caught:
            receive()
        assert caught.value.requirement == "DCUTR-05"
