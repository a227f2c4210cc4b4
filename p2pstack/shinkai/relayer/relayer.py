"""A relay of Shinkai nodes: circuits for libp2p, and messages from one registered node to another (specs/shinkai.md).

::

    listen = ["/ip4/0.0.0.0/tcp/8080"]
    async with ShinkaiRelayer("@@relay.shinkai", keys, directory=directory, listen=listen) as relayer:
        async for event in relayer.events():
            print(event)
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from p2pstack.errors import LocalError
from p2pstack.host.config import HostConfig
from p2pstack.host.events import EventBus, EventStream
from p2pstack.host.limits import Usage
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.bootstrap import Bootstrap
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host
from p2pstack.shinkai.directory.interface import Directory
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.limits.bandwidth import Bandwidth
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.direct import DirectMessages
from p2pstack.shinkai.network.finding import join_dht, search_lan
from p2pstack.shinkai.network.profiles import PROTOCOL_VERSION
from p2pstack.shinkai.network.rates import Rates
from p2pstack.shinkai.network.turns import Turns
from p2pstack.shinkai.relayer.config import RelayerConfig
from p2pstack.shinkai.relayer.courier import Courier
from p2pstack.shinkai.relayer.events import RelayerEvent
from p2pstack.shinkai.relayer.registrar import Registrar
from p2pstack.shinkai.relayer.registrations import Registration, Registrations

__all__ = ["ShinkaiRelayer"]


class ShinkaiRelayer:
    """A relay. Use it with ``async with``; when the block is left nothing remains.

    Args:
        name: the relay's, as the directory has it, with the same keys.
        keys: its peer id is that of the signature key.
        directory: where names are looked up. It stays the caller's, and is not closed.
        config: limits and times.
        listen: addresses to listen on.
        external: where it is reached from outside, if it does not listen there itself: what reservations tell.
        bootstrap: where other relays or nodes of the network are: those behind them are found by the DHT, too.
        clock: seconds since 1970.
        entropy: random bytes.

    Raises:
        InvalidName: ``name`` is none.
        DecodeError: an address is none.
        ConfigError: one of ``bootstrap`` can't be dialled.
    """

    def __init__(
        self,
        name: str | ShinkaiName,
        keys: NodeKeys,
        *,
        directory: Directory,
        config: RelayerConfig | None = None,
        listen: Sequence[str | Multiaddr] = (),
        external: Sequence[str | Multiaddr] = (),
        bootstrap: Sequence[str | Multiaddr] = (),
        clock: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.config = config = config or RelayerConfig()
        self.name = (name if isinstance(name, ShinkaiName) else ShinkaiName.parse(name)).node
        self.keys = keys
        self.host = host = Host(
            keys.signature, listen=listen, config=_told(self.name, config.host), services=config.services
        )
        self.peer_id = host.peer_id
        self.counters: Counter[str] = Counter()
        """How often what: ``registered``, ``forwarded``, ``answered``, ``bytes``, ``refused.<reason>`` and so on."""
        self._external = [parse(address) for address in external]
        self.circuits = RelayServer(host, config.relay)
        self.dht = join_dht(host, config.finding, server=True) if config.finding.dht else None
        if bootstrap:
            Bootstrap(host, bootstrap)
        if config.finding.mdns:
            search_lan(host, config.finding)
        self._table = Registrations(max_named=config.max_named, max_local=config.max_local)
        self._bus = EventBus(config.notice_queue)
        self._rates = Rates(config.messages_per_second, config.message_burst, config.max_tracked)
        self._registrar = Registrar(
            self.name, host, directory, self._table, config, counters=self.counters, emit=self._bus.emit
        )
        courier = Courier(self.name, keys, self._registrar, counters=self.counters, clock=clock, entropy=entropy)
        self._turns = Turns(Bandwidth(config.outgoing), config.direct.max_outbound)
        self._direct = courier.direct = DirectMessages(
            host,
            config.direct,
            admit=self._admit,
            answer=courier.answer,
            turns=self._turns,
            incoming=Bandwidth(config.incoming),
            counters=self.counters,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._started = self._stopped = False

    # -- life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: an address can't be listened on; nothing is left behind.
            LocalError: it was started before.
        """
        if self._started:
            raise LocalError("a relay is started once")
        self._started = True
        try:
            self._spawn(self._registrar.follow(self._registrar.events()))
            await self.host.start()
            if self._external:
                self.host.advertise("operator", self._external)
            self._spawn(self._registrar.look_again())
            self._spawn(self._registrar.ping())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End everything. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        try:
            self._turns.close()
            for task in self._tasks[1:]:  # the first one follows the host, and ends with it
                task.cancel()
            await self.host.close()
            await self._registrar.close()
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self._bus.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(coroutine))

    # -- what there is

    def events(self, *types: type[RelayerEvent]) -> EventStream:
        """Return an async iterator over events from now on, of the given types or of all; it ends with the relay."""
        return self._bus.listen(*types)

    @property
    def addresses(self) -> list[Multiaddr]:
        """Where it is reached, with its peer id."""
        return self.host.full_addresses

    @property
    def registrations(self) -> list[Registration]:
        """Who is registered."""
        return self._table.all

    def registered(self, peer: PeerId) -> Registration | None:
        """Return what a peer is registered as."""
        return self._table.of(peer)

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of each limit is taken."""
        return {
            **{f"host.{name}": used for name, used in self.host.usage().items()},
            **self.circuits.usage(),
            **self._direct.usage(),
            **({} if self.dht is None else {f"dht.{name}": used for name, used in self.dht.usage().items()}),
            "max_named": Usage(self._table.named, self.config.max_named),
            "max_local": Usage(self._table.local, self.config.max_local),
        }

    def _admit(self, peer: PeerId) -> bool:
        return self._rates.take(peer, time.monotonic())


def _told(name: ShinkaiName, config: HostConfig) -> HostConfig:
    """Return ``config`` with what identify tells of a relay."""
    version = config.agent_version.rpartition("/")[2]
    return replace(
        config, agent_version=f"shinkai-relayer/{name.node_name}/{version}", protocol_version=PROTOCOL_VERSION
    )
