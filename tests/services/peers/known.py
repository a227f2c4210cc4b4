"""Known peers for the tests, and a clock that they move."""

from __future__ import annotations

from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.events import PeerInfo
from p2pstack.services.peers.entries import KnownAddress, KnownPeer

DAY = 86_400.0
NOW = 1_000_000_000.0


class Clock:
    """Seconds since 1970, as the test has them."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def key(number: int) -> PrivateKey:
    return PrivateKey.from_seed(number.to_bytes(32, "big"))


def peer(number: int) -> PeerId:
    return key(number).peer_id


def address(number: int) -> Multiaddr:
    return parse(f"/ip4/192.0.2.{number}/tcp/4001")


def info(number: int, *addresses: int, protocols: tuple[str, ...] = ("/a",), record: bytes | None = None) -> PeerInfo:
    return PeerInfo(
        peer=peer(number),
        protocols=protocols,
        addresses=tuple(address(each) for each in addresses),
        agent="agent",
        protocol_version="version",
        record=record,
    )


def entry(number: int, *addresses: int, at: float = NOW, **fields: float) -> KnownPeer:
    """A peer that was met at ``at``, as it comes from a file."""
    return KnownPeer(
        peer=peer(number),
        first_seen=at,
        last_seen=at,
        addresses={address(each): KnownAddress(first_seen=at, last_told=at) for each in addresses},
        **fields,  # type: ignore[arg-type]
    )
