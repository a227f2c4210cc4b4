"""A relay's neighbours: names with fixed keys, a directory that knows them, hosts that stand for their nodes."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from p2pstack.aio.stream import Stream
from p2pstack.errors import StreamError
from p2pstack.host.config import HostConfig
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.standard import Host
from p2pstack.shinkai import json_form
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.profiles import MESSAGE_PROTOCOL, PROTOCOL_VERSION
from p2pstack.shinkai.relayer import RelayerConfig, ShinkaiRelayer
from p2pstack.shinkai.relayer.registrations import Registration

RELAY, ALICE, BOB, CAROL = "@@relay.shinkai", "@@alice.shinkai", "@@bob.shinkai", "@@carol.shinkai"
LOCAL = "@@localhost.sep-shinkai"
NUMBERS = {RELAY: 9, ALICE: 1, BOB: 2, CAROL: 3}
LOOPBACK = "/ip4/127.0.0.1/tcp/0"

QUICK = RelayerConfig(settle_timeout=3.0, try_interval=0.05, recheck_interval=0.05)

_moments = itertools.count(1)


def entropy(size: int) -> bytes:
    return next(_moments).to_bytes(size, "big")


def keys(name: str) -> NodeKeys:
    return NodeKeys.unsafe_deterministic(NUMBERS[name])


def local_keys(number: int = 100) -> NodeKeys:
    """The keys of a node without a name."""
    return NodeKeys.unsafe_deterministic(number)


def name_of(text: str) -> ShinkaiName:
    return ShinkaiName.parse(text)


def record(name: str, number: int | None = None, **fields: Any) -> IdentityRecord:
    own = NodeKeys.unsafe_deterministic(NUMBERS[name] if number is None else number)
    return IdentityRecord(
        name=name_of(name), encryption_key=own.encryption.public, signature_key=own.signature.public_key, **fields
    )


def directory() -> MemoryDirectory:
    return MemoryDirectory([record(name) for name in NUMBERS])


def registration(name: str, number: int | None = None) -> Registration:
    """What a named node is registered as, or one without a name that has the keys with this number."""
    own = NodeKeys.unsafe_deterministic(NUMBERS[name] if number is None else number)
    known = record(name) if name in NUMBERS else None
    return Registration(
        peer=own.signature.peer_id, name=name_of(name), key=own.signature.public_key, since=0.0, record=known
    )


def written(own: NodeKeys, sender: str, recipient: str, text: str = "hello", **fields: str) -> ShinkaiMessageBuilder:
    """A message under way; ``fields`` are intra_sender and other."""
    builder = ShinkaiMessageBuilder(own, sender, recipient, time=time.time(), entropy=os.urandom).text(text)
    return builder.intra_sender(fields.get("intra_sender", "")).other(fields.get("other", ""))


def letter(sender: str, recipient: str, text: str = "hello", **fields: str) -> ShinkaiMessage:
    """A message of a named node, encrypted for the recipient's."""
    return (
        written(keys(sender), sender, recipient, text, **fields)
        .encrypt_body_for(keys(recipient).encryption.public)
        .build()
    )


def local_letter(recipient: str, text: str = "hello", number: int = 100) -> ShinkaiMessage:
    """A message of a node without a name, encrypted for the recipient's, with its own key in ``other``."""
    own = local_keys(number)
    made = written(own, LOCAL, recipient, text, other=own.encryption.public.to_hex())
    return made.encrypt_body_for(keys(recipient).encryption.public).build()


def ack(sender: str, recipient: str) -> ShinkaiMessage:
    return ShinkaiMessageBuilder(keys(sender), sender, recipient, time=time.time(), entropy=os.urandom).ack().build()


def local_ack(recipient: str, number: int = 100) -> ShinkaiMessage:
    made = ShinkaiMessageBuilder(local_keys(number), LOCAL, recipient, time=time.time(), entropy=os.urandom)
    return made.ack().build()


@contextlib.asynccontextmanager
async def relaying(
    known: MemoryDirectory | None = None, *, config: RelayerConfig = QUICK, **options: Any
) -> AsyncIterator[ShinkaiRelayer]:
    """A relay that runs."""
    options.setdefault("listen", [LOOPBACK])
    async with ShinkaiRelayer(RELAY, keys(RELAY), directory=known or directory(), config=config, **options) as relayer:
        yield relayer


Answer = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Member:
    """A host in the place of a node: it is connected to a relay, and notes what it is asked."""

    host: Host
    relay: PeerId
    asked: list[bytes]

    @property
    def peer(self) -> PeerId:
        return self.host.peer_id

    async def ask(self, data: bytes | ShinkaiMessage) -> bytes:
        """Send a request to the relay; return its answer."""
        stream = await self.host.open_stream(self.relay, MESSAGE_PROTOCOL)
        try:
            stream.write(data if isinstance(data, bytes) else json_form.encode(data))
            await stream.drain()
            stream.close_write()
            return await stream.read_to_end(20_000_000)
        except StreamError:
            stream.reset()
            raise

    async def told(self, data: bytes | ShinkaiMessage) -> ShinkaiMessage:
        """The same, where the answer is a message."""
        return json_form.decode(await self.ask(data), max_size=20_000_000)


@contextlib.asynccontextmanager
async def member(
    relayer: ShinkaiRelayer,
    name: str,
    own: NodeKeys | None = None,
    *,
    agent: str | None = None,
    answer: ShinkaiMessage | bytes | None = None,
    key: PrivateKey | None = None,
) -> AsyncIterator[Member]:
    """A host that says it is a node, and answers every request with ``answer``."""
    config = replace(
        HostConfig(),
        agent_version=f"shinkai-node-{name}" if agent is None else agent,
        protocol_version=PROTOCOL_VERSION,
    )
    identity = (own or keys(name)).signature if key is None else key
    asked: list[bytes] = []
    reply = json_form.encode(answer) if isinstance(answer, ShinkaiMessage) else answer or b""

    async def serve(stream: Stream) -> None:
        asked.append(await stream.read_to_end(20_000_000))
        stream.write(reply)
        await stream.drain()

    async with Host(identity, config=config) as host:
        host.handle(MESSAGE_PROTOCOL, serve)
        await host.connect(relayer.addresses[0])
        yield Member(host, relayer.peer_id, asked)
