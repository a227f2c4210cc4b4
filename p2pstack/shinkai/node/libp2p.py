"""The libp2p half of a node: its managers, started last, and given up without harm (SHK-97)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from p2pstack.errors import P2PError
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.errors import InvalidName
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.events import PeerUp
from p2pstack.shinkai.network.handler import ShinkaiMessageHandler
from p2pstack.shinkai.network.links import Where
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import Profile, identity_of_agent
from p2pstack.shinkai.node.config import NodeConfig
from p2pstack.shinkai.node.listening import second_endpoint
from p2pstack.shinkai.node.tcp.listener import TcpListener
from p2pstack.shinkai.node.ways import HeadWay, SeedWay, Way, multiaddr_of
from p2pstack.storage.database import Database

__all__ = ["LibP2PHalf"]

logger = logging.getLogger("p2pstack.shinkai")


class LibP2PHalf:
    """One manager for each profile. ``error`` says why there is none; ``on_error`` is told of that once.

    ``on_up`` is told the profile, the peer, and the name of the node that it claims to be; ``on_answer`` takes
    answers that are messages.
    """

    def __init__(
        self,
        profile: Profile,
        config: NodeConfig,
        *,
        on_error: Callable[[str], None],
        on_up: Callable[[Profile, PeerId, ShinkaiName], Awaitable[None]],
        on_answer: Callable[[PeerId, ShinkaiMessage], Awaitable[object]],
    ) -> None:
        self.managers: list[LibP2PManager] = []
        self.task: asyncio.Task[None] | None = None
        """Works on the events of the first manager."""
        self.error = ""
        self._profile = profile
        self._config = config
        self._on_error = on_error
        self._on_up = on_up
        self._on_answer = on_answer
        self._tasks: list[asyncio.Task[None]] = []

    def ways(self) -> list[Way]:
        """Return the ways by which messages go."""
        return [
            HeadWay(manager, self._on_answer) if manager.profile is Profile.HEAD else SeedWay(manager)
            for manager in self.managers
        ]

    @property
    def relays(self) -> list[PeerId]:
        """The relays that answered last, where this node was told of one."""
        return [manager.relay.peer for manager in self.managers if manager.relay is not None and manager.relay.peer]

    @property
    def relay_error(self) -> str:
        """Why the relay is not connected; empty if it is, or there is none."""
        errors = (manager.relay.error for manager in self.managers if manager.relay is not None)
        return next(filter(None, errors), "")

    def relay_name(self) -> ShinkaiName | None:
        """Return the name that a relay which is connected claims, or None."""
        for manager in self.managers:
            if manager.relay is not None and manager.relay.peer is not None:
                identity = identity_of_agent(manager.agent_of(manager.relay.peer))
                if identity:
                    return ShinkaiName.parse(identity)
        return None

    async def start(
        self,
        name: ShinkaiName,
        keys: NodeKeys,
        *,
        handler: ShinkaiMessageHandler,
        listener: TcpListener | None,
        endpoint: Endpoint,
        relay: Where | None,
        bootstrap: Sequence[str | Multiaddr],
        database: Database,
    ) -> None:
        """Start the managers, the first one on the port of ``listener``; where that fails, say why and go on.

        Args:
            name: the node's.
            keys: the node's.
            handler: takes what comes in.
            listener: the node's port, which hands libp2p connections over; None: the manager listens itself.
            endpoint: where the node was told to listen.
            relay: the relay's address, or what finds it out.
            bootstrap: peers by which the network is entered.
            database: where peers are remembered.
        """
        try:
            async with asyncio.timeout(self._config.libp2p_start_timeout):
                for profile in self._profile.single:
                    if not self.managers:
                        listen = [] if listener is not None else [multiaddr_of(endpoint)]
                    else:
                        listen = [multiaddr_of(second_endpoint(endpoint, self._config.seed_listen))]
                    manager = LibP2PManager(
                        name,
                        keys,
                        profile=profile,
                        handler=handler,
                        listen=listen,
                        relay=relay,
                        bootstrap=bootstrap,
                        database=database,
                        config=self._config.manager,
                    )
                    self.managers.append(manager)
                    await manager.start()
                if listener is not None:
                    listener.serve_host(self.managers[0].host)
        except (P2PError, OSError) as error:
            # TimeoutError is an OSError.
            await self._give_up(str(error) or type(error).__name__, listener)
            return
        for manager in self.managers:
            task = self._spawn(manager.run())
            self._spawn(self._watch(manager))
            if self.task is None:
                self.task = task
                task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop the managers."""
        managers, self.managers = self.managers, []
        for manager in managers:
            await manager.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _give_up(self, reason: str, listener: TcpListener | None) -> None:
        if listener is not None:
            listener.serve_host(None)
        managers, self.managers = self.managers, []
        for manager in managers:
            try:
                await manager.stop()
            except (P2PError, OSError) as error:
                logger.info("a manager that did not start can't be stopped: %s", error)
        self._failed(reason)

    def _failed(self, reason: str) -> None:
        self.error = reason
        logger.warning("libp2p is not running, messages go by TCP: %s", reason)
        self._on_error(reason)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self.managers and error is not None:
            self._failed(f"its task has ended: {error}")

    async def _watch(self, manager: LibP2PManager) -> None:
        """Tell of peers that show up, with the names that they claim."""
        async for notice in manager.notices(PeerUp):
            if isinstance(notice, PeerUp) and notice.identity:
                try:
                    name = ShinkaiName.parse(notice.identity)
                except InvalidName:
                    continue
                await self._on_up(manager.profile, notice.peer, name)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.append(task)
        return task
