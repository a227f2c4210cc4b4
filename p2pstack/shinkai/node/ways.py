"""The ways of libp2p: a request to a node of today, a publication for nodes of the seed era (SHK-81, SHK-82)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Protocol

from p2pstack.errors import LocalError, P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai import signatures
from p2pstack.shinkai.directory.interface import Route
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.errors import MessageError
from p2pstack.shinkai.keys import key_of_name
from p2pstack.shinkai.limits.bandwidth import Priority
from p2pstack.shinkai.message import EncryptedBody, EncryptedData, ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName, is_local
from p2pstack.shinkai.network.finding import FoundBy
from p2pstack.shinkai.network.gossip import topic_of
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.node.acks import acknowledged_key
from p2pstack.shinkai.node.results import SendState
from p2pstack.shinkai.node.stages import Stage, stage_of

__all__ = ["UNACKNOWLEDGED", "HeadWay", "SeedWay", "Way", "WayOutcome", "multiaddr_of"]

UNACKNOWLEDGED = "unacknowledged"
"""It has reached somebody, who has not said so."""

_OURS = "p2pstack/"
"""What the agent of a seed node starts with that acknowledges over gossip."""

_SUBSCRIPTION_WAIT = 2.0
"""Seconds in which a peer that was connected to tells what topics it wants."""

_LOOK_EVERY = 0.02

_LEAST = 0.001
"""Seconds that are left where none are."""


@dataclass(frozen=True, slots=True)
class WayOutcome:
    """What came of one way: how it went well, or why not. ``reached``: it has left, and somebody may have it.

    ``found`` tells how it was known where the recipient is (:class:`FoundBy`), or is empty.
    """

    state: SendState | None
    error: str = ""
    reached: bool = False
    found: str = ""


class Way(Protocol):
    """A way to a node by libp2p."""

    separate_acks: bool
    """Acknowledgements come as messages of their own."""

    async def deliver(
        self,
        message: ShinkaiMessage,
        route: Route,
        *,
        key: str,
        relay: Route | None,
        address: Endpoint | None,
        acknowledged: bool,
        priority: Priority,
        timeout: float,
    ) -> WayOutcome:
        """Deliver a message.

        With ``separate_acks`` an outcome that is ``reached`` is to be waited for. May raise P2PError.
        """
        ...


def multiaddr_of(endpoint: Endpoint) -> str:
    """Return the multiaddr of a host and port."""
    try:
        address = ipaddress.ip_address(endpoint.host.partition("%")[0])
    except ValueError:
        return f"/dns/{endpoint.host}/tcp/{endpoint.port}"
    return f"/ip{address.version}/{address}/tcp/{endpoint.port}"


class HeadWay:
    """A request, whose answer acknowledges it. ``on_answer`` takes answers that say more than ACK."""

    separate_acks = False

    def __init__(
        self, manager: LibP2PManager, on_answer: Callable[[PeerId, ShinkaiMessage], Awaitable[object]]
    ) -> None:
        self._manager = manager
        self._on_answer = on_answer

    async def deliver(
        self,
        message: ShinkaiMessage,
        route: Route,
        *,
        key: str,
        relay: Route | None,
        address: Endpoint | None,
        acknowledged: bool,
        priority: Priority,
        timeout: float,
    ) -> WayOutcome:
        """Send a request to the node, or to a relay where it or this node can do no other."""
        local = is_local(self._manager.name)
        to = self._recipient(route, relay)
        if isinstance(to, str):
            return WayOutcome(None, to)
        # Where the program says that the node is does not say where a relay is.
        listed = (address,) if address is not None and to is route else to.listed
        peer = to.record.peer_id
        until = monotonic() + timeout
        found = await self._manager.reach(peer, [multiaddr_of(each) for each in listed], timeout=timeout)
        left = max(until - monotonic(), _LEAST)
        answer = await self._manager.send_direct(peer, message, timeout=left, priority=priority)
        if not acknowledged:
            outcome = WayOutcome(SendState.SENT)
        elif answer is None:
            outcome = WayOutcome(None, "the node has taken it, and has not acknowledged it", reached=True)
        else:
            outcome = await self._judge(answer, to.record if local else route.record, key, peer)
        return replace(outcome, found=(found if to is route else FoundBy.RELAY).value)

    def _recipient(self, route: Route, relay: Route | None) -> Route | str:
        """Return whom the request goes to: the node itself, or who hands it on; or why that can't be."""
        if is_local(self._manager.name):
            # Nobody knows our keys: the relay signs for us.
            return relay or "a node without a name of its own needs a relay, and this one has none"
        if not route.behind or route.record.peer_id in self._manager.peers():
            return route
        through = relay if route.proxy is None else Route(route.proxy)
        if through is None and self._manager.dht is None:
            return f"{route.record.name} is behind a relay, and this node has none"
        return through or route

    async def _judge(self, answer: ShinkaiMessage, record: IdentityRecord, key: str, source: PeerId) -> WayOutcome:
        """Check that an answer is of the node that has to answer, and about this message."""
        try:
            if answer.sender_node != record.name.node:
                return WayOutcome(None, "the answer is another node's", reached=True)
            signatures.verify_outer(answer, record.signature_key)
        except MessageError as error:
            return WayOutcome(None, f"the answer is refused, {error.reason}: {error}", reached=True)
        if not _is_ack(answer):
            await self._on_answer(source, answer)
        elif acknowledged_key(answer) not in {None, key}:
            return WayOutcome(None, "the answer acknowledges another message", reached=True)
        return WayOutcome(SendState.ACKNOWLEDGED)


def _is_ack(message: ShinkaiMessage) -> bool:
    if isinstance(message.body, EncryptedBody) or isinstance(message.body.message_data, EncryptedData):
        return False
    return stage_of(message) is Stage.ACK


class SeedWay:
    """A publication in the topic of the recipient."""

    separate_acks = True

    def __init__(self, manager: LibP2PManager) -> None:
        self._manager = manager

    async def deliver(
        self,
        message: ShinkaiMessage,
        route: Route,
        *,
        key: str,
        relay: Route | None,
        address: Endpoint | None,
        acknowledged: bool,
        priority: Priority,
        timeout: float,
    ) -> WayOutcome:
        """Publish, once somebody wants the topic; the recipient is dialled if nobody does."""
        topic = topic_of(message)
        listed = route.listed if address is None else (address,)
        peer, found = await self._find(topic, route.record.name, listed, timeout)
        published = await self._manager.broadcast(topic, message, timeout=timeout, priority=priority)
        if not published.peers:
            return WayOutcome(None, f"nobody is in {topic}")
        agent = "" if peer is None else self._manager.agent_of(peer)
        if not acknowledged or (agent and not agent.startswith(_OURS)):
            # An original acknowledges nothing over gossip.
            return WayOutcome(SendState.SENT, found=found)
        return WayOutcome(None, reached=True, found=found)

    async def _find(
        self, topic: str, name: ShinkaiName, listed: Sequence[Endpoint], timeout: float
    ) -> tuple[PeerId | None, str]:
        """Return the recipient's peer if it is connected, and how it was found; have somebody in its topic if we can.

        The id follows from the name, and anybody can have it: it is no proof, but leads to where the node is.
        """
        peer = key_of_name(name).peer_id
        if peer in self._manager.topic_peers(topic):
            return peer, FoundBy.CONNECTED.value
        try:
            found = await self._manager.reach(peer, [multiaddr_of(each) for each in listed], timeout=timeout)
        except P2PError as error:
            if not self._manager.topic_peers(topic):
                raise LocalError(f"nobody is in {topic}, and its node can't be dialled: {error}") from error
            return None, ""
        loop = asyncio.get_running_loop()
        until = loop.time() + _SUBSCRIPTION_WAIT
        while peer not in self._manager.topic_peers(topic) and loop.time() < until:  # noqa: ASYNC110 - nothing tells of a subscription
            await asyncio.sleep(_LOOK_EVERY)
        return peer, found.value
