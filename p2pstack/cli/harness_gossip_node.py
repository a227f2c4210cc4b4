"""One node of a gossipsub-interop scenario: does what its script says, and reports every message that reaches it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol, Self

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_gossip_params import network_config
from p2pstack.cli.harness_gossip_script import (
    Connect,
    Init,
    Instruction,
    Publish,
    SetValidationDelay,
    Subscribe,
    WaitUntil,
)
from p2pstack.cli.output import print_json
from p2pstack.errors import DeadlineExceeded, DialError
from p2pstack.gossipsub.ids import data_prefix_id
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.values import Rpc
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of, with_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.subscription import Subscription

__all__ = ["AddressBook", "Addresses", "Names", "Node", "log", "node_key"]

ID_SIZE = 8
PORT = 9000

CONNECT_SECONDS = 20.0
"""For reaching another node, which may take longer to start than this one did."""

RETRY_SECONDS = 0.1


def node_key(node: int) -> PrivateKey:
    """Return the key of a node, which is no secret: its number, little-endian."""
    return PrivateKey.from_seed(node.to_bytes(32, "little"))


def log(message: str, **values: object) -> None:
    """Print a line that the scenario's checks read."""
    time = datetime.now(UTC).isoformat(timespec="microseconds")
    print_json(sys.stdout, {"time": time, "level": "INFO", "msg": message, **values})


def _note(text: str) -> None:
    """Print what is for people."""
    sys.stderr.write(text + "\n")


def _report(peer: PeerId, rpc: Rpc) -> None:
    """Report each message that a peer sends, the first time and again."""
    for message in rpc.publish:
        number = int.from_bytes(message.data[:ID_SIZE], "big")
        log("Received Message", **{"id": str(number), "from": str(peer), "topic": message.topic})


class Addresses(Protocol):
    """Where the other nodes are."""

    async def of(self, node: int) -> Multiaddr:
        """Return the address of a node, with its peer id."""


class Names:
    """Nodes that are found by their host names ``node0``, ``node1`` and so on, at the port that all have."""

    async def of(self, node: int) -> Multiaddr:
        """Return the address of a node.

        Raises:
            CommandError: the name is not known.
        """
        name = f"node{node}"
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, PORT)
        except OSError as error:
            raise CommandError(f"the address of {name} is not known: {error.strerror}") from error
        host = str(found[0][4][0])
        return with_peer(parse(f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/{PORT}"), node_key(node).peer_id)


class AddressBook:
    """Nodes with addresses that somebody has written down."""

    def __init__(self, addresses: Mapping[int, str]) -> None:
        self._addresses = {node: parse(address) for node, address in addresses.items()}

    async def of(self, node: int) -> Multiaddr:
        """Return the address of a node.

        Raises:
            CommandError: it is not in the book.
        """
        address = self._addresses.get(node)
        if address is None:
            raise CommandError(f"there is no address of node {node}")
        return address if peer_id_of(address) is not None else with_peer(address, node_key(node).peer_id)


class Node:
    """Runs scripts on ``host``; ``started`` is the time from which they count, of the monotonic clock.

    Use it with ``async with``: what the script has started ends with the block.
    """

    def __init__(self, host: BaseHost, addresses: Addresses, started: float) -> None:
        self._host = host
        self._addresses = addresses
        self._started = started
        self._stack = AsyncExitStack()
        self._readers: list[asyncio.Task[None]] = []
        self._pubsub: Gossipsub | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # The end of pubsub is the end of all subscriptions.
        await self._stack.aclose()
        if self._readers:
            await asyncio.wait(self._readers)

    async def run(self, script: list[Instruction]) -> None:
        """Do everything in the script, in order.

        Raises:
            CommandError: something has to stand elsewhere, or another node can't be found.
            P2PError: another node can't be reached, or a message not be published.
        """
        for instruction in script:
            await self._do(instruction)

    async def _do(self, instruction: Instruction) -> None:
        match instruction:
            case Init(params=params):
                await self._init(params)
            case Connect(nodes=nodes):
                for node in nodes:
                    await self._connect(node)
                _note(f"{len(self._host.connections())} connections")
            case WaitUntil(seconds=seconds):
                await asyncio.sleep(max(0.0, self._started + seconds - monotonic()))
            case Subscribe(topic=topic):
                subscription = self._running.subscribe(topic)
                self._readers.append(asyncio.create_task(_read(subscription)))
            case Publish():
                await self._publish(instruction)
            case SetValidationDelay(topic=topic, seconds=seconds):
                self._delay(topic, seconds)

    @property
    def _running(self) -> Gossipsub:
        if self._pubsub is None:
            raise CommandError("initGossipSub has to come first")
        return self._pubsub

    async def _init(self, params: Mapping[str, object]) -> None:
        if self._pubsub is not None:
            raise CommandError("initGossipSub can come once only")
        config = replace(network_config(params, data_prefix_id(ID_SIZE)), on_rpc=_report)
        self._pubsub = await self._stack.enter_async_context(Gossipsub(self._host, config=config))

    async def _connect(self, node: int) -> None:
        """Connect to a node, which may not listen yet."""
        address = await self._addresses.of(node)
        deadline = monotonic() + CONNECT_SECONDS
        while True:
            try:
                await self._host.connect(address, timeout=max(deadline - monotonic(), RETRY_SECONDS))
            except (DeadlineExceeded, DialError):
                if monotonic() >= deadline:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _publish(self, message: Publish) -> None:
        data = message.number.to_bytes(ID_SIZE, "big") + bytes(message.size - ID_SIZE)
        sent = await self._running.publish(message.topic, data, peers=0)
        _note(f"message {message.number} published to {sent.peers} peers")

    def _delay(self, topic: str, seconds: float) -> None:
        async def accept_later(_: Incoming) -> bool:
            await asyncio.sleep(seconds)
            return True

        pubsub = self._running
        # Said again, the last word counts.
        pubsub.unvalidate(topic)
        pubsub.validate(topic, accept_later, timeout=seconds + 30.0)


async def _read(subscription: Subscription) -> None:
    """Read what nobody needs here, so that nothing has to be dropped."""
    async for incoming in subscription:
        _note(f"message {int.from_bytes(incoming.data[:ID_SIZE], 'big')} delivered")
