"""What a peer sends to punch a hole, on either side of it."""

from __future__ import annotations

from functools import partial

from fuzz.expect import caught
from fuzz.source import Source
from p2pstack.dcutr.candidates import dialable, parsed
from p2pstack.dcutr.config import DcutrConfig
from p2pstack.dcutr.exchange import Answerer, Choose, Opener
from p2pstack.dcutr.messages import HolePunch
from p2pstack.errors import DecodeError, ProtocolViolation
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, is_public, parse, tcp_endpoint
from p2pstack.services.scope import Scope, suitable

_PEER = PrivateKey.from_seed(b"\x05" * 32).peer_id
_OWN = [parse("/ip4/192.0.2.7/tcp/4001")]
_CONFIG = DcutrConfig()


def exchange(data: bytes) -> None:
    """Whatever a peer sends, few addresses are dialled, all of the right kind, or it breaks a named rule."""
    source = Source(data)
    scope = list(Scope)[source.byte() % len(Scope)]
    first, second = source.piece(), source.rest()
    if caught(DecodeError, HolePunch.decode, first) is None:
        message = HolePunch.decode(first)
        assert HolePunch.decode(message.encode()) == message

    def choose(encoded: object) -> list[Multiaddr]:
        return dialable(parsed(encoded), _PEER, partial(suitable, scope=scope), _CONFIG, _OWN)  # type: ignore[arg-type]

    _open(first, choose, scope)
    _answer(first, second, choose, scope)


def _open(payload: bytes, choose: Choose, scope: Scope) -> None:
    opener = Opener(_OWN, choose)
    opener.connect(1.0)
    error = caught(ProtocolViolation, opener.receive, payload, 2.0)
    if error is not None:
        assert error.requirement
        return
    _, addresses, delay = opener.receive(payload, 2.0)
    assert delay == 0.5
    _check(addresses, scope)


def _answer(first: bytes, second: bytes, choose: Choose, scope: Scope) -> None:
    answerer = Answerer(_OWN, choose)
    for receive, payload in ((answerer.receive_connect, first), (answerer.receive_sync, second)):
        error = caught(ProtocolViolation, receive, payload)
        if error is not None:
            assert error.requirement
            return
    _check(answerer.addresses, scope)


def _check(addresses: list[Multiaddr], scope: Scope) -> None:
    assert 1 <= len(addresses) <= _CONFIG.max_addresses
    endpoints = [tcp_endpoint(address) for address in addresses]
    assert len({endpoint.host for endpoint in endpoints}) <= _CONFIG.max_hosts
    assert all(endpoint.kind in {"ip4", "ip6"} for endpoint in endpoints)
    assert all(endpoint.port >= _CONFIG.lowest_port for endpoint in endpoints)
    assert scope is not Scope.PUBLIC or all(map(is_public, addresses))
