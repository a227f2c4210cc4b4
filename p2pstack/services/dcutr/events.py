"""How upgrades end. The events come with those of the host, from ``host.events(...)``."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.aio.connection import Connection
from p2pstack.host.events import Event
from p2pstack.identity.peer_id import PeerId

__all__ = ["HolePunchFailed", "HolePunched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HolePunched(Event):
    """There is a direct connection to a peer that was reached through a relay; fires after its ``ConnectionOpened``.

    ``attempts`` is the number of punches that it took, 0 where one side could be dialled as it is; ``seconds`` the time
    since the upgrade began. The relayed connection is closed some time later (DCUTR-08).
    """

    peer: PeerId
    connection: Connection
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HolePunchFailed(Event):
    """No direct connection to a peer came about; the relayed one stays.

    ``reasons`` holds an error for each thing that was tried, in the order of trying; ``attempts`` is the number of
    punches among them.
    """

    peer: PeerId
    attempts: int
    reasons: tuple[BaseException, ...]
