"""Who is connected, and who they say they are: notices of it, and a memory of names (SHK-70; specs/shinkai.md)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from p2pstack.host.events import Event, EventStream, PeerDisconnected
from p2pstack.host.host import BaseHost
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.events import IdentifyFailed, PeerIdentified
from p2pstack.shinkai.network.events import Notice, PeerDown, PeerUp
from p2pstack.shinkai.network.profiles import identity_of_agent

__all__ = ["Watcher"]


class Watcher:
    """Follows the connections of a host."""

    def __init__(self, host: BaseHost, max_identities: int, emit: Callable[[Notice], None]) -> None:
        self._host = host
        self._max_identities = max_identities
        self._emit = emit
        self._up: dict[PeerId, str] = {}
        self._identities: OrderedDict[str, PeerId] = OrderedDict()

    @property
    def peers(self) -> list[PeerId]:
        """The peers that were told of as up, and not as down since."""
        return list(self._up)

    def agent_of(self, peer: PeerId) -> str:
        """Return what a connected peer says of its program, or an empty text."""
        return self._up.get(peer, "")

    def peer_of(self, identity: str) -> PeerId | None:
        """Return the peer that says it is the node of this name, in lower case. Nothing proves it."""
        return self._identities.get(identity)

    def recall(self, peer: PeerId, agent: str) -> None:
        """Take what a peer said of itself to an earlier process: those last who are likeliest to be right."""
        identity = identity_of_agent(agent)
        if identity:
            self._name(identity, peer)

    def events(self) -> EventStream:
        """Return what :meth:`run` wants, from now on."""
        return self._host.events(PeerIdentified, IdentifyFailed, PeerDisconnected)

    async def run(self, events: EventStream) -> None:
        """Follow the host's events until they end."""
        dropped = 0
        async for event in events:
            self._follow(event)
            if events.dropped != dropped:
                dropped = events.dropped
                for peer in self.peers:
                    self._look_for_end(peer)
        for peer in self.peers:
            self._look_for_end(peer)

    def _follow(self, event: Event) -> None:
        if isinstance(event, PeerDisconnected):
            self._look_for_end(event.peer)
        elif isinstance(event, PeerIdentified):
            self._told(event.peer, event.info.agent)
        elif isinstance(event, IdentifyFailed):
            self._told(event.peer, "")

    def _told(self, peer: PeerId, agent: str) -> None:
        """A peer has told who it is, or won't."""
        if not self._host.connections(peer):
            return
        identity = identity_of_agent(agent)
        if identity:
            self._name(identity, peer)
        new = peer not in self._up
        self._up[peer] = agent or self._up.get(peer, "")
        if new:
            self._emit(PeerUp(peer=peer, agent=agent, identity=identity))

    def _look_for_end(self, peer: PeerId) -> None:
        if peer in self._up and not self._host.connections(peer):
            del self._up[peer]
            self._emit(PeerDown(peer=peer))

    def _name(self, identity: str, peer: PeerId) -> None:
        """Note a claim to a name; while the first who made it is connected, nobody else's counts."""
        former = self._identities.get(identity)
        if former is not None and former != peer and self._host.connections(former):
            return
        self._identities.pop(identity, None)
        self._identities[identity] = peer
        if len(self._identities) > self._max_identities:
            self._identities.popitem(last=False)
