"""A rendezvous point: peers register with it, and discover each other (specs/rendezvous.md).

What is kept and answered is decided in :mod:`p2pstack.rendezvous`; here are the streams. A stream may bring any number
of requests, one after the other; rust opens one for each.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from time import monotonic

from p2pstack.aio.alarm import Alarm
from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, DecodeError, ProtocolViolation, StreamEOF
from p2pstack.host.host import BaseHost
from p2pstack.host.limits import Usage
from p2pstack.kad.groups import groups_of
from p2pstack.rendezvous.config import RendezvousConfig
from p2pstack.rendezvous.cookie import EPOCH_SIZE
from p2pstack.rendezvous.events import Expired, Registered
from p2pstack.rendezvous.messages import decode, encode
from p2pstack.rendezvous.point import Point
from p2pstack.rendezvous.protocols import PROTOCOL
from p2pstack.rendezvous.status import Status
from p2pstack.services.autonat.places import observed_address
from p2pstack.services.life import HostService
from p2pstack.services.rendezvous.events import PeerRegistered, PeerUnregistered

__all__ = ["RendezvousServer"]

logger = logging.getLogger("p2pstack.rendezvous")


class RendezvousServer(HostService):
    """Serves rendezvous on a host.

    Made before the host is started it is started and stopped with it; ``async with`` does the same at any time::

        host = Host(listen=["/ip4/0.0.0.0/tcp/4001"])
        point = RendezvousServer(host)
        async with host:
            ...

    Events: PeerRegistered, PeerUnregistered.
    """

    _label = "the rendezvous point"

    def __init__(self, host: BaseHost, config: RendezvousConfig | None = None) -> None:
        self.config = config = config or RendezvousConfig()
        self._host = host
        self._point = Point(config, epoch=secrets.token_bytes(EPOCH_SIZE))
        self._alarm: Alarm | None = None
        host.handle(PROTOCOL, self._serve, max_streams=config.streams_per_connection)
        super().__init__(host)

    async def _begin(self) -> None:
        """Begin to watch the time."""
        self._alarm = Alarm(asyncio.get_running_loop(), self._expire)

    async def _end(self) -> None:
        """Serve no further streams, and watch the time no longer."""
        self._host.unhandle(PROTOCOL)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # -- what programs ask

    @property
    def answers(self) -> Counter[tuple[str, Status]]:
        """How often what was answered: ("register" or "discover", status)."""
        return self._point.answers

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of each limit is taken; of those for each peer and group, by who takes most."""
        config, registrations = self.config, self._point.registrations
        return {
            "rendezvous.max_registrations": Usage(len(registrations), config.max_registrations),
            "rendezvous.registrations_per_peer": Usage(registrations.most_per_peer, config.registrations_per_peer),
            "rendezvous.registrations_per_group": Usage(registrations.most_per_group, config.registrations_per_group),
            "rendezvous.max_namespaces": Usage(registrations.namespaces, config.max_namespaces),
        }

    # -- requests

    async def _serve(self, stream: Stream) -> None:
        """Answer the requests of a stream, to its end."""
        seconds = self.config.request_timeout
        try:
            while True:
                async with asyncio.timeout(seconds):
                    if not await self._answer_next(stream):
                        return
                await asyncio.sleep(0)  # requests that are there already must not keep everybody else waiting
        except TimeoutError as error:
            raise DeadlineExceeded(f"no request came, or no answer was taken, within {seconds:g} s") from error

    async def _answer_next(self, stream: Stream) -> bool:
        """Answer one request; False at the end of the stream.

        Raises:
            ProtocolViolation: it is no request (RDV-01).
            StreamError: the stream ended within it.
        """
        try:
            data = await stream.read_frame(self.config.max_request)
        except StreamEOF as error:
            if error.partial:
                raise
            return False
        try:
            group = b"".join(groups_of([observed_address(stream.connection)]))
            answer = self._point.receive(stream.peer_id, decode(data), monotonic(), group)
        except DecodeError as error:
            raise ProtocolViolation(PROTOCOL, str(error), requirement=error.requirement) from error
        self._tell()
        if answer is not None:
            stream.write_frame(encode(answer))
            await stream.drain()
        return True

    # -- what follows

    def _expire(self) -> None:
        self._point.handle_timeout(monotonic())
        self._tell()

    def _tell(self) -> None:
        """Tell what has happened, and see to it that the next registration to expire does."""
        for event in self._point.events():
            logger.debug("%s", event)
            if isinstance(event, Registered):
                self._host.emit(
                    PeerRegistered(peer=event.peer, namespace=event.namespace, ttl=event.ttl, renewed=event.renewed)
                )
            else:
                expired = isinstance(event, Expired)
                self._host.emit(PeerUnregistered(peer=event.peer, namespace=event.namespace, expired=expired))
        upcoming = self._point.next_timeout()
        if self._alarm is not None and upcoming is not None:
            self._alarm.at_latest(upcoming)
