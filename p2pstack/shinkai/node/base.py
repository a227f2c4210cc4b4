"""What a node holds and tells, as properties and figures; its life and what it does are in node.py."""

from __future__ import annotations

import asyncio

from p2pstack.errors import HostClosed
from p2pstack.host.events import EventBus, EventStream
from p2pstack.host.limits import Usage
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.channel import EventSender
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node.config import NodeConfig
from p2pstack.shinkai.node.events import NodeEvent
from p2pstack.shinkai.node.libp2p import LibP2PHalf
from p2pstack.shinkai.node.parts import NodeParts
from p2pstack.shinkai.node.status import NodeStatus
from p2pstack.shinkai.node.store import MessageStore
from p2pstack.shinkai.storage.job_queue import JobQueue
from p2pstack.shinkai.storage.retry_queue import RetryQueue

__all__ = ["NodeBase"]


class NodeBase:
    """A node as others see it. ``libp2p`` is its half that may be missing; the other parts are there while it runs."""

    def __init__(
        self, name: ShinkaiName, keys: NodeKeys, config: NodeConfig, profile: Profile, endpoint: Endpoint
    ) -> None:
        self.name = name
        self.keys = keys
        self.config = config
        self.profile = profile
        self._endpoint = endpoint
        self._bus = EventBus(1_024)
        self._libp2p: LibP2PHalf
        self._parts: NodeParts | None = None
        self._sending = 0
        self._closing = False

    # -- what the original's Node holds

    @property
    def libp2p_manager(self) -> LibP2PManager | None:
        """The manager, the HEAD one of a node with both; None where libp2p is not running."""
        return self._libp2p.managers[0] if self._libp2p.managers else None

    @property
    def libp2p_managers(self) -> tuple[LibP2PManager, ...]:
        """All managers: one for each profile, HEAD first."""
        return tuple(self._libp2p.managers)

    @property
    def libp2p_event_sender(self) -> EventSender | None:
        """The channel into the manager; None where libp2p is not running."""
        manager = self.libp2p_manager
        return None if manager is None else manager.events

    @property
    def libp2p_task(self) -> asyncio.Task[None] | None:
        """The task that works on the manager's events; None where libp2p is not running."""
        return self._libp2p.task

    @property
    def libp2p_error(self) -> str:
        """Why libp2p is not running; empty if it is."""
        return self._libp2p.error

    @property
    def listen_address(self) -> Endpoint:
        """Where the node listens for messages over TCP, with the real port, or was told to listen."""
        listener = None if self._parts is None else self._parts.listener
        return self._endpoint if listener is None else listener.address

    # -- what is kept

    @property
    def messages(self) -> MessageStore:
        """Messages that were received and sent: ``history``, and those whose handler has failed.

        Raises:
            HostClosed: the node is not running.
        """
        return self._running().store

    @property
    def queue(self) -> RetryQueue:
        """Messages that are to be delivered: ``waiting``, ``dead_letters``, ``retry``, ``drop``.

        Raises:
            HostClosed: the node is not running.
        """
        return self._running().ledger.queue

    @property
    def jobs(self) -> JobQueue:
        """Messages that came in and were not worked on yet.

        Raises:
            HostClosed: the node is not running.
        """
        return self._running().jobs

    # -- what is going on

    def events(self, *types: type[NodeEvent]) -> EventStream:
        """Return an async iterator over events from now on, of the given types or of all; it ends with the node."""
        return self._bus.listen(*types)

    async def status(self) -> NodeStatus:
        """Return what there is to tell of the node.

        Raises:
            HostClosed: the node is not running.
            P2PError: its file can't be read.
        """
        parts = self._running()
        queue, jobs, messages = await asyncio.gather(
            parts.ledger.queue.stats(), parts.jobs.stats(), parts.store.stats()
        )
        managers = self._libp2p.managers
        return NodeStatus(
            name=self.name.full_name,
            profile=self.profile.value,
            listening=str(self.listen_address) if parts.listener is not None else "",
            addresses=tuple(str(address) for manager in managers for address in manager.addresses),
            peer_ids=tuple(str(manager.peer_id) for manager in managers),
            libp2p=bool(managers),
            libp2p_error=self.libp2p_error,
            peers=tuple(str(peer) for manager in managers for peer in manager.peers()),
            known_peers=sum(len(manager.known_peers or ()) for manager in managers),
            bootstrap_errors={
                str(failed.address): str(failed.error)
                for manager in managers
                if manager.bootstrap is not None
                for failed in manager.bootstrap.failing
            },
            relay_error=self._libp2p.relay_error,
            queue=queue,
            jobs=jobs,
            messages=messages,
            sent=dict(parts.sender.counters),
            received=dict(parts.manager.counters),
            refused=dict(parts.refused(managers)),
        )

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of the limits in memory is taken.

        Raises:
            HostClosed: the node is not running.
        """
        parts = self._running()
        usage = {
            "storage_pending": Usage(parts.database.pending, self.config.storage.max_pending),
            "ack_waiters": Usage(len(parts.outgoing.waiters), self.config.send.max_waiting),
            "sending": Usage(self._sending, self.config.send.max_sending),
        }
        if parts.listener is not None:
            usage["tcp_connections"] = Usage(len(parts.listener), self.config.tcp.max_connections)
        for manager in self._libp2p.managers:
            usage.update({f"{manager.profile.value}.{name}": used for name, used in manager.usage().items()})
        return usage

    def _running(self) -> NodeParts:
        if self._parts is None or self._closing:
            raise HostClosed("the node is not running")
        return self._parts
