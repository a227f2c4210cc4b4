"""One attempt to deliver a message: by libp2p, then over plain TCP (SHK-80 to SHK-83)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from p2pstack.errors import LocalError, P2PError
from p2pstack.shinkai import json_form
from p2pstack.shinkai.directory.errors import DirectoryError
from p2pstack.shinkai.directory.interface import Directory, Route, resolve
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.frames import Frame, MessageType
from p2pstack.shinkai.limits.bandwidth import Bandwidth, Priority
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node.acks import AckWaiters
from p2pstack.shinkai.node.config import NodeConfig
from p2pstack.shinkai.node.results import Attempt, SendState
from p2pstack.shinkai.node.tcp.client import send_frame
from p2pstack.shinkai.node.ways import UNACKNOWLEDGED, Way, WayOutcome

__all__ = ["Outcome", "Outgoing", "Parcel", "peer_endpoint"]

logger = logging.getLogger("p2pstack.shinkai")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A message that is ready to go. ``address`` is where the sender's program says the recipient is, if it does."""

    key: str
    recipient: ShinkaiName
    message: ShinkaiMessage
    address: Endpoint | None = None
    acknowledged: bool = True
    """Whether an acknowledgement is expected: not of what is none itself, and not of Ping and Pong."""

    priority: Priority = Priority.NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt; ``state`` is None where it failed. ``unreachable``: no way came to anybody.

    ``found`` tells how it was known where the recipient is, by libp2p; see ``FoundBy``.
    """

    state: SendState | None
    via: str | None = None
    attempts: tuple[Attempt, ...] = ()
    reason: str = ""
    unreachable: bool = False
    found: str = ""

    @property
    def error(self) -> str:
        """Why it failed, in one line."""
        return "; ".join(f"{attempt.way}: {attempt.error}" for attempt in self.attempts) or self.reason


class Outgoing:
    """Delivers parcels. ``ways`` are those of libp2p, in the order in which they are tried; they come and go."""

    def __init__(self, directory: Directory, config: NodeConfig) -> None:
        self.directory = directory
        self.config = config
        self.ways: list[Way] = []
        self.relay_name: Callable[[], ShinkaiName | None] = lambda: None
        """The name that our relay claims, where the program has named none."""
        self.waiters = AckWaiters(config.send.max_waiting)
        self._bandwidth = Bandwidth(config.send.bandwidth)

    async def attempt(
        self, parcel: Parcel, *, directory: Directory | None = None, proxy: ShinkaiName | None = None
    ) -> Outcome:
        """Try every way once, until one works. Raises nothing but CancelledError.

        Args:
            parcel: what to deliver.
            directory: where names are looked up, instead of the node's.
            proxy: the relay that messages to nodes behind one go through.
        """
        try:
            route = await self.route(parcel.recipient, directory)
        except DirectoryError as error:
            return _failed([Attempt("directory", str(error))], error.reason)
        except P2PError as error:
            return _failed([Attempt("directory", str(error))], "directory-unavailable")
        errors: list[Attempt] = []
        relay = await self._relay(proxy, directory, errors)
        reached = False
        for way in self.ways:
            outcome = await self._by(way, parcel, route, relay)
            if outcome.state is not None:
                return Outcome(state=outcome.state, via="libp2p", attempts=tuple(errors), found=outcome.found)
            errors.append(Attempt("libp2p", outcome.error))
            if outcome.reached:
                # It has been there, and would get it a second time by TCP.
                return _failed(errors, UNACKNOWLEDGED)
        if not self.ways:
            errors.append(Attempt("libp2p", "libp2p is not running"))
        if self.config.tcp.enabled and not self._only_by_relay(route):
            outcome = await self._by_tcp(parcel, route)
            if outcome.state is not None:
                return Outcome(state=outcome.state, via="tcp", attempts=tuple(errors))
            errors.append(Attempt("tcp", outcome.error))
            reached = outcome.reached
        return _failed(errors, UNACKNOWLEDGED if reached else "unreachable", unreachable=not reached)

    async def _relay(
        self, proxy: ShinkaiName | None, directory: Directory | None, errors: list[Attempt]
    ) -> Route | None:
        """Look up our relay, ``proxy`` or the one that we are connected to, by the name that it claims.

        Its keys are the directory's. Without it those can be written to that need no relay.
        """
        name = proxy or self.relay_name()
        if name is None:
            return None
        try:
            return await self.route(name, directory)
        except P2PError as error:
            logger.debug("our relay %s can't be looked up: %s", name, error)
            if proxy is not None:
                errors.append(Attempt("directory", f"the relay {name} can't be looked up: {error}"))
            return None

    def _only_by_relay(self, route: Route) -> bool:
        """Whether nobody listens at a node's address who would take a message over TCP: there is a relay of today."""
        return route.behind and any(not way.separate_acks for way in self.ways)

    async def route(self, name: ShinkaiName, directory: Directory | None = None) -> Route:
        """Look a node up.

        Raises:
            DirectoryError: it is unknown, or nobody knows.
            DeadlineExceeded: the directory does not answer.
        """
        return await resolve(directory or self.directory, name, timeout=self.config.send.lookup_timeout)

    async def acknowledge(self, ack: ShinkaiMessage, recipient: ShinkaiName, *, by_libp2p: bool) -> None:
        """Send an acknowledgement to ``recipient``, by the way that its message came; once, and nothing is raised."""
        parcel = Parcel(key="", recipient=recipient, message=ack, acknowledged=False, priority=Priority.CONTROL)
        try:
            route = await self.route(recipient)
        except P2PError as error:
            logger.info("no acknowledgement for %s: %s", recipient, error)
            return
        if by_libp2p:
            for way in self.ways:
                # A node of today gets its acknowledgements as answers: it would take a request for a new message.
                if way.separate_acks and (await self._by(way, parcel, route, None)).state is not None:
                    return
            return
        outcome = await self._by_tcp(parcel, route)
        if outcome.state is None:
            logger.info("no acknowledgement for %s: %s", recipient, outcome.error)

    async def _by(self, way: Way, parcel: Parcel, route: Route, relay: Route | None) -> WayOutcome:
        future = None
        if parcel.acknowledged and way.separate_acks:
            future = self.waiters.expect(parcel.recipient.node_name, parcel.key)
        try:
            outcome = await way.deliver(
                parcel.message,
                route,
                key=parcel.key,
                relay=relay,
                address=parcel.address,
                acknowledged=parcel.acknowledged,
                priority=parcel.priority,
                timeout=self.config.send.libp2p_timeout,
            )
        except P2PError as error:
            outcome = WayOutcome(None, str(error) or type(error).__name__)
        if outcome.state is None and not outcome.reached:
            if future is not None:
                self.waiters.forget(parcel.key)
            return outcome
        if future is not None and outcome.reached:
            return replace(await self._acknowledged(parcel.key, future), found=outcome.found)
        return outcome

    async def _by_tcp(self, parcel: Parcel, route: Route) -> WayOutcome:
        future = None
        try:
            endpoint = parcel.address or route.address
            frame = Frame(
                parcel.message.external_metadata.recipient,
                MessageType.SHINKAI_MESSAGE,
                json_form.encode(parcel.message),
            )
            await self._wait_for_bandwidth(endpoint, len(frame.payload), parcel.priority)
            if parcel.acknowledged:
                future = self.waiters.expect(parcel.recipient.node_name, parcel.key)
            await send_frame(endpoint, frame, self.config.tcp)
        except (P2PError, OSError) as error:
            self.waiters.forget(parcel.key)
            return WayOutcome(None, str(error) or type(error).__name__)
        if future is None:
            return WayOutcome(SendState.SENT)
        return await self._acknowledged(parcel.key, future)

    async def _acknowledged(self, key: str, future: asyncio.Future[None]) -> WayOutcome:
        """Wait for an acknowledgement; one that comes later still counts, as long as it is remembered that it may."""
        seconds = self.config.send.ack_timeout
        try:
            await asyncio.wait((future,), timeout=seconds)
        finally:
            # Nobody waits any more: from here on an acknowledgement is looked up in the queue.
            future.cancel()
        if not future.cancelled():
            return WayOutcome(SendState.ACKNOWLEDGED)
        return WayOutcome(None, f"no acknowledgement within {seconds:g} s", reached=True)

    async def _wait_for_bandwidth(self, peer: Endpoint, size: int, priority: Priority) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.config.send.libp2p_timeout
        while (wait := self._bandwidth.take(peer, size, priority, loop.time())) > 0:
            if loop.time() + wait > until:
                raise LocalError(f"more is sent to {peer} than its bandwidth allows")
            await asyncio.sleep(wait)


def _failed(attempts: Sequence[Attempt], reason: str, *, unreachable: bool = False) -> Outcome:
    return Outcome(state=None, attempts=tuple(attempts), reason=reason, unreachable=unreachable)


def peer_endpoint(peer: object) -> Endpoint | None:
    """Read where a program says that a peer is: an Endpoint, a text or a pair with a port, or such a thing with a name.

    Raises:
        LocalError: it is none of these.
    """
    if peer is None or isinstance(peer, Endpoint):
        return peer
    try:
        if isinstance(peer, str):
            return Endpoint.parse(peer)
        if isinstance(peer, tuple) and len(peer) == 2:
            first, second = peer
            if isinstance(second, int):
                return Endpoint(str(first), second)
            return peer_endpoint(first)
    except ValueError as error:
        raise LocalError(f"this is no peer's address: {error}") from error
    raise LocalError("a peer is host:port, (host, port), or one of these with a name: (address, name)")
