"""The part of a host that reaches peers: connections and streams to them, made or found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from p2pstack.aio.circuit import join_circuit
from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, DialError, P2PError, RelayedOnly
from p2pstack.host.circuits import Circuits
from p2pstack.host.config import HostConfig
from p2pstack.host.events import DialFailed, Event
from p2pstack.host.network import Network
from p2pstack.host.peerstore import Peerstore
from p2pstack.host.routing import PeerRouter
from p2pstack.identity.circuits import is_circuit
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of, without_peer
from p2pstack.identity.peer_id import PeerId

if TYPE_CHECKING:
    from p2pstack.aio.runtime import Runtime
    from p2pstack.host.dialer import Dialer

__all__ = ["Reacher", "Target"]

Target: TypeAlias = PeerId | Multiaddr | str
"""A peer id, or a multiaddr (as object or text), with or without ``/p2p`` at its end; a peer id as text, too."""


_STREAM_SECONDS = 15.0
"""For the negotiation of a stream, where the caller does not say."""


class Reacher:
    """See :class:`p2pstack.host.host.BaseHost`."""

    peer_id: PeerId
    """The host's own id."""

    config: HostConfig
    """What it was told."""

    peerstore: Peerstore
    """What is known of peers."""

    network: Network
    """The connections."""

    circuits: Circuits | None
    """Who passes relays for this host: the relay client, if it has one."""

    routers: list[PeerRouter]
    """Who is asked where a peer is, when its addresses are not known or lead nowhere."""

    reuse_port: bool
    """Whether dials leave from the port that the host listens on, where they can (DCUTR-07)."""

    if TYPE_CHECKING:

        def _running(self) -> tuple[Runtime, Dialer]:
            """Return what a host has while it runs."""

        def emit(self, event: Event) -> None:
            """Tell every listener."""

    async def connect(
        self,
        target: Target,
        addresses: Sequence[str | Multiaddr] = (),
        *,
        timeout: float | None = None,
        relayed: bool = True,
        routed: bool = True,
    ) -> Connection:
        """Return a connection to ``target``: one that is open, or a new one.

        Addresses may stand in ``target``, in ``addresses`` and in the peerstore; where those do not lead to the peer,
        the host's ``routers`` are asked. Without a peer id anybody who answers is taken. With ``relayed`` False no
        relay is passed: a way to a relay must not lead through others (RELAY-10). With ``routed`` False no router is
        asked, as they themselves want it.

        Raises:
            DialError: no address could be reached; it lists each with its cause.
            DeadlineExceeded: it took longer than ``timeout`` seconds (default: the configuration's).
        """
        dialer = self._current_dialer()
        peer, named = _split(target)
        known = [*named, *(parse(address) for address in addresses)]
        if peer is None:
            return await dialer.dial(None, known, timeout)
        if peer == self.peer_id:
            raise DialError(peer, [], "it is this host's own id")
        connection = self.network.best(peer)
        if connection is not None and (relayed or not connection.relayed):
            return connection
        if known:
            self.peerstore.add_addresses(peer, known, monotonic() + self.config.peerstore.address_ttl)
        known += self.peerstore.addresses(peer, monotonic())
        allowed = [address for address in dict.fromkeys(known) if relayed or not is_circuit(address)]
        try:
            if not self.routers or not relayed or not routed:
                return await dialer.dial(peer, allowed, timeout)
            return await self._connect_by_routers(dialer, peer, allowed, timeout)
        except (DialError, DeadlineExceeded) as error:
            self.emit(DialFailed(peer=peer, error=error))
            raise

    async def resolve(self, address: str | Multiaddr) -> list[Multiaddr]:
        """Return the addresses that one with a name stands for, with their ``/p2p``; itself where it holds no name.

        Raises:
            DialError: the name is unknown, leads nowhere, or took too long.
            DecodeError: it is no address.
        """
        return await self._running()[1].resolver.resolve(parse(address))

    async def _connect_by_routers(
        self, dialer: Dialer, peer: PeerId, known: list[Multiaddr], timeout: float | None
    ) -> Connection:
        """Dial what is known; where that fails, ask the routers one after the other for further addresses."""
        until = monotonic() + (self.config.dial.timeout if timeout is None else timeout)
        failure = DialError(peer, [])
        if known:
            try:
                return await dialer.dial(peer, known, until - monotonic())
            except DialError as error:
                failure = error
        for router in self.routers:
            left = until - monotonic()
            if left <= 0:
                break
            found: list[Multiaddr] = []
            try:
                found = await router.find_addresses(peer, left)
            except P2PError as error:
                failure = DialError(peer, [*failure.attempts, (str(router), error)])
            connection = self.network.best(peer)
            if connection is not None:
                return connection  # the router has tried the addresses
            fresh = [address for address in found if address not in known]
            if fresh and (left := until - monotonic()) > 0:
                known += fresh
                try:
                    return await dialer.dial(peer, fresh, left)
                except DialError as error:
                    failure = DialError(peer, [*failure.attempts, *error.attempts])
        raise failure

    async def dial_direct(
        self,
        peer: PeerId,
        addresses: Sequence[Multiaddr],
        *,
        initiator: bool = True,
        reuse_port: bool = False,
        timeout: float = 10.0,
    ) -> Connection:
        """Return a new connection to ``peer`` that passes no relay, though there may be others (DCUTR-07).

        With ``initiator`` False the peer speaks first, as if it had dialled; with ``reuse_port`` the dial leaves from
        the port that the host listens on.

        Raises:
            DialError: no address could be reached; it lists each with its cause.
            DeadlineExceeded: it took longer than ``timeout`` seconds.
        """
        dialer = self._current_dialer()
        return await dialer.dial_direct(peer, addresses, initiator=initiator, reuse_port=reuse_port, timeout=timeout)

    async def join_circuit(
        self, stream: Stream, *, circuit: Multiaddr, peer: PeerId, initiator: bool, timeout: float = 15.0
    ) -> Connection:
        """Return a connection to ``peer`` inside a stream that a relay has joined to one of its, and that goes with it.

        ``circuit`` is the way, without the peer. Who asked the relay is the initiator.

        Raises:
            P2PError: the upgrade failed, or somebody else is at the other end.
            DeadlineExceeded: it took longer than ``timeout`` seconds.
        """
        runtime, _ = self._running()
        connection = join_circuit(runtime, stream, circuit=circuit, expected_peer=peer, initiator=initiator)
        try:
            async with asyncio.timeout(timeout):
                await connection.ready()
        except TimeoutError as error:
            failure = DeadlineExceeded(f"the upgrade behind the relay took longer than {timeout:g} s")
            connection.abort(failure)
            raise failure from error
        except asyncio.CancelledError:
            connection.abort(DeadlineExceeded("the upgrade behind the relay was cancelled"))
            raise
        return connection

    async def disconnect(self, peer: PeerId) -> None:
        """Close every connection to ``peer``, in good order."""
        for connection in self.network.connections(peer):
            await connection.close()

    async def open_stream(
        self,
        target: Target,
        protocols: str | Sequence[str],
        *,
        timeout: float | None = None,
        relayed: bool = False,
    ) -> Stream:
        """Open a stream to ``target``, dialling it if need be, that speaks one of ``protocols``.

        Where identify has told that the peer speaks one of them, that one is taken and nothing is waited for: the
        first bytes travel with the proposal. Else they are proposed in order. ``relayed`` says that a connection
        through a relay will do, whose time and bytes are limited.

        Raises:
            RelayedOnly: there is no other one, and ``relayed`` is False.
            ProtocolNotSupported: the peer speaks none of them.
            DialError: it can't be reached.
            DeadlineExceeded: it took longer than ``timeout`` seconds (default: that of a dial, and 15).
            ConnectionClosed: the connection ended meanwhile.
        """
        names = (protocols,) if isinstance(protocols, str) else tuple(protocols)
        seconds = _STREAM_SECONDS if timeout is None else timeout
        connection = self._connected(target)
        if connection is None:
            started = monotonic()
            connection = await self.connect(target, timeout=timeout)
            if timeout is not None:
                seconds -= monotonic() - started
        if connection.relayed and not relayed:
            raise RelayedOnly(f"{connection.peer_id} is connected through a relay alone, and that was not allowed")
        known = self.peerstore.protocols(connection.peer_id)
        spoken = next((name for name in names if name in known), None) if known else None
        if spoken is not None:
            return await connection.open_stream(spoken, lazy=True, timeout=seconds)
        return await connection.open_stream(names, timeout=seconds)

    def _connected(self, target: Target) -> Connection | None:
        """Return the connection that a stream to ``target`` would use, if there is one."""
        self._running()
        peer = target if isinstance(target, PeerId) else _split(target)[0]
        return self.network.best(peer) if peer is not None else None

    def _current_dialer(self) -> Dialer:
        """Return the dialer, told of what the host can do now."""
        _, dialer = self._running()
        dialer.circuits = self.circuits
        dialer.reuse_port = self.reuse_port
        return dialer


@lru_cache(maxsize=512)
def _split(target: Target) -> tuple[PeerId | None, tuple[Multiaddr, ...]]:
    """Return the peer id and the addresses in a target."""
    if isinstance(target, PeerId):
        return target, ()
    if isinstance(target, str) and not target.startswith("/"):
        return PeerId.from_string(target), ()
    address = parse(target)
    peer = peer_id_of(address)
    plain = without_peer(address)
    return peer, (plain,) if len(plain.to_bytes()) else ()
