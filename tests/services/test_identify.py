"""identify between hosts, with hostile peers, and when something changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.connection.config import ConnectionConfig
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    HostClosed,
    ProtocolNotSupported,
    ProtocolViolation,
    StreamError,
    StreamReset,
)
from p2pstack.host.config import HostConfig
from p2pstack.host.events import AddressesChanged
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.services import identify as identify_module
from p2pstack.services.config import IdentifyConfig, ServiceConfig
from p2pstack.services.events import IdentifyFailed, PeerIdentified
from p2pstack.services.identify_message import IDENTIFY, PUSH, Announcement, MessageReader, Update
from p2pstack.services.standard import Host
from p2pstack.wire import protobuf
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb.identify_pb2 import Identify
from p2pstack.yamux.config import YamuxConfig
from tests.services.hosts import LOOPBACK, backward, connected, next_event, until

EXTRA = "/extra/1.0.0"
LISTENING = parse("/ip4/127.0.0.1/tcp/4001")


def host(*, listen: bool = True, config: HostConfig | None = None, **settings: Any) -> Host:
    services = ServiceConfig(identify=IdentifyConfig(**{"push_delay": 0.0, **settings}))
    return Host(listen=[LOOPBACK] if listen else (), services=services, config=config)


async def ignore(stream: Stream) -> None:
    await stream.read()


def frame(**fields: Any) -> bytes:
    return encode_frame(protobuf.serialize(Identify(**fields)))


def answering(*pieces: bytes) -> Callable[[Stream], Awaitable[None]]:
    """A handler of identify that writes the pieces and closes."""

    async def answer(stream: Stream) -> None:
        for piece in pieces:
            stream.write(piece)
            await stream.drain()

    return answer


def hostile(handler: Callable[[Stream], Awaitable[None]] | None = None) -> BaseHost:
    peer = BaseHost()
    if handler is not None:
        peer.handle(IDENTIFY, handler)
    return peer


async def push(peer: BaseHost, target: Host, data: bytes) -> None:
    """Push as a hostile peer; returns when the receiver is done with it."""
    async with await peer.open_stream(target.full_addresses[0], PUSH) as stream:
        stream.write(data)
        stream.close_write()
        await stream.read_to_end(0)


# -- the exchange


@pytest.mark.req("IDN-01", "IDN-02", "IDN-11")
async def test_both_sides_identify_each_other() -> None:
    near, far = host(), host()
    far.handle(EXTRA, ignore)
    async with connected(near, far) as (_, _, connection):
        info = await near.identify.wait(connection)
        assert info.peer == far.peer_id
        assert info.protocols == far.protocols
        assert EXTRA in info.protocols
        assert info.addresses == tuple(far.addresses)
        assert info.agent == far.config.agent_version
        assert info.protocol_version == "ipfs/0.1.0"
        assert near.identify.info(connection) is info
        seen = await far.identify.wait(await backward(far, near))
        assert seen.addresses == tuple(near.addresses)
        assert seen.observed == connection.remote_address
        assert info.observed == (await backward(far, near)).remote_address


@pytest.mark.req("IDN-01", "ENV-06", "ENV-07")
async def test_what_is_told_is_kept_in_the_peerstore() -> None:
    async with connected(host(), host()) as (near, far, connection):
        info = await near.identify.wait(connection)
        entry = near.peerstore.get(far.peer_id)
        assert entry is not None
        assert entry.protocols == far.protocols
        assert entry.agent == far.config.agent_version
        assert entry.protocol_version == far.config.protocol_version
        assert near.peerstore.addresses(far.peer_id, monotonic()) == far.addresses
        assert entry.record == info.record
        assert info.record is not None
        record, _ = PeerRecord.open(info.record)
        assert record.peer_id == far.peer_id
        assert record.addresses == tuple(far.addresses)
        assert record.seq == entry.record_seq


@pytest.mark.req("ENV-06")
async def test_the_seq_of_our_records_rises() -> None:
    async with connected(host(), host()) as (near, far, connection):
        first = (await near.identify.wait(connection)).record
        async with near.events(PeerIdentified) as events:
            await far.listen(LOOPBACK)
            second = (await next_event(events, PeerIdentified)).info.record
        assert first is not None
        assert second is not None
        old, new = PeerRecord.open(first)[0], PeerRecord.open(second)[0]
        assert new.seq > old.seq
        assert set(new.addresses) > set(old.addresses)


@pytest.mark.req("IDN-06")
async def test_a_host_that_does_not_listen_sends_no_record() -> None:
    async with connected(host(listen=False), host()) as (near, far, _):
        info = await far.identify.wait(await backward(far, near))
        assert info.record is None
        assert info.addresses == ()


async def test_the_event_comes_after_the_peerstore_is_up_to_date() -> None:
    near, far = host(), host()
    async with far, near:
        events = near.events(PeerIdentified)
        connection = await near.connect(far.full_addresses[0])
        event = await next_event(events, PeerIdentified)
        assert (event.peer, event.connection, event.pushed) == (far.peer_id, connection, False)
        assert near.peerstore.speaks(far.peer_id, PUSH)


async def test_the_address_that_was_dialled_stays_known() -> None:
    async with connected(host(), hostile(answering(frame(listen_addrs=[LISTENING.to_bytes()])))) as (near, far, c):
        await near.identify.wait(c)
        assert set(near.peerstore.addresses(far.peer_id, monotonic())) == {LISTENING, *far.addresses}


@pytest.mark.req("IDN-11")
async def test_a_stream_opens_at_once_while_identify_still_runs() -> None:
    release = asyncio.Event()

    async def slow(stream: Stream) -> None:
        await release.wait()

    far = hostile(slow)
    far.handle(EXTRA, answering(b"here"))
    async with connected(host(), far) as (near, _, connection):
        stream = await near.open_stream(far.peer_id, ["/other/1.0.0", EXTRA])
        assert await stream.read_exactly(4) == b"here"
        assert near.identify.info(connection) is None
        release.set()
        with pytest.raises(ProtocolViolation, match="no message"):
            await near.identify.wait(connection)


@pytest.mark.req("IDN-11")
async def test_a_peer_without_identify_is_served_all_the_same() -> None:
    far = hostile()
    far.handle(EXTRA, answering(b"here"))
    near = host()
    async with far, near:
        await far.listen(LOOPBACK)
        events = near.events(IdentifyFailed)
        connection = await near.connect(far.full_addresses[0])
        event = await next_event(events, IdentifyFailed)
        assert (event.peer, event.connection) == (far.peer_id, connection)
        assert isinstance(event.error, ProtocolNotSupported)
        with pytest.raises(ProtocolNotSupported):
            await near.identify.wait(connection)
        stream = await near.open_stream(far.peer_id, EXTRA)
        assert await stream.read_to_end(10) == b"here"


# -- hostile answers


KEY = PrivateKey.from_seed(b"\x05" * 32)


@pytest.mark.misbehave
@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        pytest.param((b"\x00" * 11,), "more than 10", id="eleven messages", marks=pytest.mark.req("IDN-04")),
        pytest.param((b"\x81\x40",), "limit", id="8193 bytes", marks=pytest.mark.req("IDN-03", "GEN-02")),
        pytest.param((b"\xff" * 10,), "varint", id="endless length", marks=pytest.mark.req("GEN-06")),
        pytest.param((b"\x03\xff\xff\xff",), "Identify", id="garbage", marks=pytest.mark.req("IDN-02")),
        pytest.param((b"\x09abc",), "ends inside", id="cut off", marks=pytest.mark.req("IDN-01")),
        pytest.param((), "no message", id="nothing", marks=pytest.mark.req("IDN-01")),
    ],
)
async def test_a_bad_answer_costs_the_stream_and_nothing_else(answer: tuple[bytes, ...], complaint: str) -> None:
    async with connected(host(), hostile(answering(*answer))) as (near, far, connection):
        with pytest.raises(ProtocolViolation, match=complaint):
            await near.identify.wait(connection)
        far.handle(EXTRA, answering(b"here"))
        assert await (await near.open_stream(far.peer_id, EXTRA)).read_to_end(10) == b"here"
        assert near.peerstore.protocols(far.peer_id) is None


@pytest.mark.misbehave
@pytest.mark.req("IDN-12", "GEN-03")
@pytest.mark.parametrize("drip", [b"", b"\x00", b"\x80"])
async def test_an_identify_that_never_ends_is_reset(drip: bytes) -> None:
    ended = asyncio.Event()

    async def never(stream: Stream) -> None:
        if drip:
            stream.write(drip)
        try:
            await stream.read()
        except StreamReset:
            ended.set()

    async with connected(host(timeout=0.05), hostile(never)) as (near, far, connection):
        with pytest.raises(DeadlineExceeded, match="within 0"):
            await near.identify.wait(connection)
        await asyncio.wait_for(ended.wait(), 5)
        far.handle(EXTRA, answering(b"here"))
        assert await (await near.open_stream(far.peer_id, EXTRA)).read_to_end(10) == b"here"


@pytest.mark.misbehave
@pytest.mark.req("IDN-03", "IDN-12")
async def test_an_endless_answer_is_cut_off() -> None:
    outcome: list[StreamError] = []

    async def flood(stream: Stream) -> None:
        try:
            while True:
                stream.write(b"\xff" * 65_536)
                await stream.drain()
        except StreamError as error:
            outcome.append(error)
            raise

    async with connected(host(), hostile(flood)) as (near, _, connection):
        with pytest.raises(ProtocolViolation):
            await near.identify.wait(connection)
        await until(lambda: outcome)
        assert isinstance(outcome[0], StreamReset)
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("IDN-12")
async def test_a_peer_that_never_reads_what_it_asked_for_loses_that_stream() -> None:
    quick = HostConfig(connection=ConnectionConfig(yamux=YamuxConfig(close_timeout=0.05)))
    async with connected(hostile(answering(frame())), host(config=quick)) as (near, far, connection):
        stream = await connection.open_stream(IDENTIFY)
        served = await backward(far, near)
        await far.identify.wait(served)
        await until(lambda: stream.failure is not None)
        assert isinstance(stream.failure, StreamReset)
        assert not served.streams
        assert not served.closed


@pytest.mark.misbehave
@pytest.mark.req("IDN-05")
async def test_the_key_of_another_peer_is_ignored() -> None:
    lying = answering(frame(public_key=KEY.public_key.to_protobuf(), protocols=[b"/x"]))
    async with connected(host(), hostile(lying)) as (near, far, connection):
        info = await near.identify.wait(connection)
        assert info.peer == far.peer_id == connection.peer_id
        assert near.peerstore.protocols(far.peer_id) == ("/x",)
        assert KEY.peer_id not in near.peerstore


@pytest.mark.misbehave
@pytest.mark.req("IDN-06", "ENV-05")
async def test_the_record_of_another_peer_is_not_taken() -> None:
    record = PeerRecord(KEY.peer_id, 1, (parse("/ip4/127.0.0.1/tcp/6666"),)).seal(KEY).to_bytes()
    lying = answering(frame(listen_addrs=[LISTENING.to_bytes()], signed_peer_record=record, agent_version=b"evil"))
    async with connected(host(), hostile(lying)) as (near, far, connection):
        info = await near.identify.wait(connection)
        assert info.agent == "evil"
        assert info.addresses == ()
        assert info.record is None
        assert near.peerstore.addresses(far.peer_id, monotonic()) == far.addresses  # what was dialled
        assert KEY.peer_id not in near.peerstore


@pytest.mark.req("ENV-06")
async def test_an_outdated_record_does_not_replace_a_newer_one() -> None:
    far = hostile()
    old, new = (PeerRecord(far.peer_id, seq, (LISTENING,)).seal(far.key).to_bytes() for seq in (1, 2))
    far.handle(IDENTIFY, answering(frame(signed_peer_record=new)))
    async with connected(host(), far) as (near, _, connection):
        await near.identify.wait(connection)
        async with near.events(PeerIdentified) as events:
            await push(far, near, frame(signed_peer_record=old, agent_version=b"later"))
            assert (await next_event(events, PeerIdentified)).info.agent == "later"
        entry = near.peerstore.get(far.peer_id)
        assert entry is not None
        assert (entry.record, entry.record_seq) == (new, 2)


# -- waiting


async def test_waiting_has_its_own_deadline() -> None:
    async def never(stream: Stream) -> None:
        await stream.read()

    async with connected(host(), hostile(never)) as (near, _, connection):
        with pytest.raises(DeadlineExceeded, match="within 0"):
            await near.identify.wait(connection, timeout=0.01)
        assert not connection.closed


async def test_waiting_ends_with_the_connection() -> None:
    async def never(stream: Stream) -> None:
        await stream.read()

    async with connected(host(), hostile(never)) as (near, far, connection):
        waiting = asyncio.create_task(near.identify.wait(connection))
        await (await backward(far, near)).close()
        with pytest.raises(ConnectionClosed):
            await waiting
        await connection.wait_closed()
        await until(lambda: connection not in near.identify._known)
        with pytest.raises(ConnectionClosed):
            await near.identify.wait(connection)


async def test_waiting_ends_with_the_host() -> None:
    async def never(stream: Stream) -> None:
        await stream.read()

    async with connected(host(), hostile(never)) as (near, _, connection):
        waiting = asyncio.create_task(near.identify.wait(connection))
        await asyncio.sleep(0)
        await near.close()
        with pytest.raises((HostClosed, ConnectionClosed)):
            await waiting


async def test_a_cancelled_waiter_harms_nobody() -> None:
    release = asyncio.Event()

    async def slow(stream: Stream) -> None:
        await release.wait()
        stream.write(frame(agent_version=b"slow"))

    async with connected(host(), hostile(slow)) as (near, _, connection):
        waiting = asyncio.create_task(near.identify.wait(connection))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        release.set()
        assert (await near.identify.wait(connection)).agent == "slow"


async def test_nothing_is_kept_of_connections_that_are_gone() -> None:
    async with connected(host(), host()) as (near, far, connection):
        await near.identify.wait(connection)
        await far.identify.wait(await backward(far, near))
        await connection.close()
        await until(lambda: not near.identify._known and not far.identify._known)
        assert near.identify.info(connection) is None


async def test_nothing_is_kept_even_if_events_were_lost() -> None:
    config = HostConfig(event_queue=1)
    async with connected(host(config=config), host()) as (near, _, connection):
        await near.identify.wait(connection)
        others = [host(listen=False) for _ in range(3)]
        for other in others:
            await other.start()
            await other.connect(near.full_addresses[0])
        await until(lambda: len(near.connections()) == 4)
        for each in near.connections():
            each.abort(ConnectionClosed("all at once"))
        await until(lambda: not near.identify._known)
        for other in others:
            await other.close()


# -- pushes received


@pytest.mark.req("IDN-10")
async def test_a_push_changes_what_it_mentions() -> None:
    before = frame(
        protocols=[b"/a", PUSH.encode()],
        listen_addrs=[LISTENING.to_bytes()],
        agent_version=b"one",
        protocol_version=b"net",
    )
    async with connected(host(), hostile(answering(before))) as (near, far, connection):
        await near.identify.wait(connection)
        async with near.events(PeerIdentified) as events:
            await push(far, near, frame(agent_version=b"two"))
            event = await next_event(events, PeerIdentified)
            assert event.pushed
            assert event.info.agent == "two"
            assert event.info.protocols == ("/a", PUSH)
            assert event.info.addresses == (LISTENING,)
            assert event.info.protocol_version == "net"
            await push(far, near, frame(protocols=[b"/b"]))
            assert (await next_event(events, PeerIdentified)).info.protocols == ("/b",)
        assert near.peerstore.protocols(far.peer_id) == ("/b",)
        entry = near.peerstore.get(far.peer_id)
        assert entry is not None
        assert entry.agent == "two"


@pytest.mark.req("IDN-10")
async def test_an_empty_push_changes_nothing() -> None:
    async with connected(host(), hostile(answering(frame(protocols=[b"/a"])))) as (near, far, connection):
        info = await near.identify.wait(connection)
        async with near.events(PeerIdentified) as events:
            await push(far, near, b"")
            await push(far, near, frame(agent_version=b"end"))
            assert (await next_event(events, PeerIdentified)).info.agent == "end"  # and none for the empty one
        assert near.peerstore.protocols(far.peer_id) == info.protocols


@pytest.mark.req("IDN-10", "GEN-11")
async def test_a_push_counts_for_all_connections_of_the_peer() -> None:
    near, far = host(), hostile(answering(frame(protocols=[b"/a"])))
    near.handle(EXTRA, ignore)
    async with connected(near, far) as (_, _, first):
        await near.identify.wait(first)
        stream = await far.open_stream(near.peer_id, EXTRA)
        second = await far._running()[1].dial(near.peer_id, near.addresses, None)
        assert second is not stream.connection
        await until(lambda: len(near.connections(far.peer_id)) == 2)
        for connection in near.connections(far.peer_id):
            await near.identify.wait(connection)
        async with near.events(PeerIdentified) as events:
            pushing = await second.open_stream(PUSH)
            pushing.write(frame(protocols=[b"/b"]))
            pushing.close_write()
            await next_event(events, PeerIdentified)
        infos = [near.identify.info(connection) for connection in near.connections(far.peer_id)]
        assert [info.protocols for info in infos if info is not None] == [("/b",), ("/b",)]
        assert len({info.observed for info in infos if info is not None}) >= 1


@pytest.mark.misbehave
@pytest.mark.req("GEN-04")
async def test_pushes_that_come_too_fast_are_reset() -> None:
    near = host(received_push_burst=3, received_push_interval=3_600.0)
    async with connected(near, hostile(answering(frame(protocols=[b"/a"])))) as (_, far, connection):
        await near.identify.wait(connection)
        for number in range(3):
            await push(far, near, frame(agent_version=f"{number}".encode()))
        with pytest.raises(StreamReset):
            await push(far, near, frame(agent_version=b"too many"))
        entry = near.peerstore.get(far.peer_id)
        assert entry is not None
        assert entry.agent == "2"
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("IDN-12", "GEN-03")
async def test_a_push_that_never_ends_is_reset() -> None:
    async with connected(host(timeout=0.05), hostile(answering(frame()))) as (near, far, connection):
        await near.identify.wait(connection)
        stream = await far.open_stream(near.full_addresses[0], PUSH)
        stream.write(b"\x05ab")
        with pytest.raises(StreamReset):
            await stream.read()
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("IDN-02")
async def test_a_push_of_garbage_is_reset() -> None:
    async with connected(host(), hostile(answering(frame(protocols=[b"/a"])))) as (near, far, connection):
        await near.identify.wait(connection)
        with pytest.raises(StreamReset):
            await push(far, near, b"\x03\xff\xff\xff")
        assert near.peerstore.protocols(far.peer_id) == ("/a",)


async def test_a_push_before_the_answer_counts_and_the_answer_too() -> None:
    release = asyncio.Event()

    async def slow(stream: Stream) -> None:
        await release.wait()
        stream.write(frame(agent_version=b"answer"))

    async with connected(host(), hostile(slow)) as (near, far, connection):
        await push(far, near, frame(protocols=[b"/pushed"]))
        assert near.identify.info(connection) is not None
        release.set()
        async with near.events(PeerIdentified) as events:
            info = (await next_event(events, PeerIdentified)).info
        assert (info.agent, info.protocols) == ("answer", ("/pushed",))


# -- pushes sent


class Audience(BaseHost):
    """A peer that lists push, and keeps what it is pushed."""

    def __init__(self, *, lists_push: bool = True) -> None:
        super().__init__()
        self.pushed: asyncio.Queue[Identify] = asyncio.Queue()
        protocols = [IDENTIFY.encode()] + ([PUSH.encode()] if lists_push else [])
        self.handle(IDENTIFY, answering(frame(protocols=protocols)))
        self.handle(PUSH, self._receive)

    async def _receive(self, stream: Stream) -> None:
        reader = MessageReader()
        reader.receive_data(await stream.read_to_end(100_000))
        self.pushed.put_nowait(reader.receive_eof())

    async def next(self) -> Identify:
        return await asyncio.wait_for(self.pushed.get(), 5)


def names(message: Identify) -> set[str]:
    return {name.decode() for name in message.protocols}


@pytest.mark.req("IDN-10", "IDN-14")
async def test_a_change_of_protocols_is_pushed_as_a_whole() -> None:
    async with connected(host(), Audience()) as (near, far, connection):
        await near.identify.wait(connection)
        near.handle(EXTRA, ignore)
        message = await far.next()
        assert names(message) == set(near.protocols)
        assert EXTRA in names(message)
        assert list(message.listen_addrs) == [address.to_bytes() for address in near.addresses]
        assert message.public_key == near.key.public_key.to_protobuf()
        assert message.agent_version.decode() == near.config.agent_version
        assert message.observed_addr == connection.remote_address.to_bytes()
        near.unhandle(EXTRA)
        assert EXTRA not in names(await far.next())


@pytest.mark.req("IDN-14")
async def test_a_change_of_addresses_is_pushed() -> None:
    async with connected(host(), Audience()) as (near, far, connection):
        await near.identify.wait(connection)
        await near.listen(LOOPBACK)
        assert len((await far.next()).listen_addrs) == 2


@pytest.mark.req("IDN-14")
async def test_changes_in_quick_succession_make_one_push() -> None:
    async with connected(host(push_delay=0.02), Audience()) as (near, far, connection):
        await near.identify.wait(connection)
        for number in range(20):
            near.handle(f"/quick/{number}", ignore)
            await asyncio.sleep(0)
        assert names(await far.next()) == set(near.protocols)
        near.handle("/last", ignore)
        assert "/last" in names(await far.next())
        assert far.pushed.empty()


@pytest.mark.req("IDN-14")
async def test_a_change_that_is_undone_at_once_is_not_pushed() -> None:
    async with connected(host(), Audience()) as (near, far, connection):
        await near.identify.wait(connection)
        near.handle(EXTRA, ignore)
        near.unhandle(EXTRA)
        near.handle("/other", ignore)
        assert names(await far.next()) == set(near.protocols)
        assert far.pushed.empty()


@pytest.mark.req("IDN-14")
async def test_who_does_not_list_push_gets_none() -> None:
    near, silent, listening = host(), Audience(lists_push=False), Audience()
    async with silent, connected(near, listening) as (_, _, connection):
        await silent.listen(LOOPBACK)
        await near.identify.wait(await near.connect(silent.full_addresses[0]))
        await near.identify.wait(connection)
        near.handle(EXTRA, ignore)
        await listening.next()
        await until(lambda: not near.identify._pushing)
        assert silent.pushed.empty()


@pytest.mark.req("IDN-14")
async def test_a_change_while_the_peer_is_being_asked_reaches_it_afterwards() -> None:
    release = asyncio.Event()
    far = Audience()

    async def slow(stream: Stream) -> None:
        await release.wait()
        stream.write(frame(protocols=[PUSH.encode()]))

    far.handle(IDENTIFY, slow)
    async with connected(host(), far) as (near, _, _):
        near.handle(EXTRA, ignore)
        await until(lambda: near.identify._version == 1 and not near.identify._pushing)
        assert far.pushed.empty()
        release.set()
        assert EXTRA in names(await far.next())


@pytest.mark.req("IDN-14")
async def test_who_asked_after_the_change_is_not_pushed_the_same_again() -> None:
    near, asking, other = host(push_delay=0.05), Audience(), Audience()
    async with asking, connected(near, other) as (_, _, connection):
        await asking.listen(LOOPBACK)
        second = await near.connect(asking.full_addresses[0])
        await near.identify.wait(second)
        await near.identify.wait(connection)
        near.handle(EXTRA, ignore)
        await until(lambda: near.identify._version == 1)
        stream = await asking.open_stream(near.peer_id, IDENTIFY)
        reader = MessageReader()
        reader.receive_data(await stream.read_to_end(100_000))
        assert EXTRA in names(reader.receive_eof())
        await other.next()
        await until(lambda: not near.identify._pushing)
        assert asking.pushed.empty()


@pytest.mark.req("IDN-10", "IDN-12")
@pytest.mark.misbehave
async def test_pushes_go_to_others_while_one_peer_is_stuck() -> None:
    stuck, well = Audience(), Audience()
    arrived = asyncio.Event()

    async def never(stream: Stream) -> None:
        arrived.set()
        await asyncio.Event().wait()

    stuck.handle(PUSH, never)
    async with stuck, connected(host(max_pushes=2, timeout=0.05), well) as (near, _, connection):
        await stuck.listen(LOOPBACK)
        await near.identify.wait(await near.connect(stuck.full_addresses[0]))
        await near.identify.wait(connection)
        near.handle(EXTRA, ignore)
        assert EXTRA in names(await well.next())
        await asyncio.wait_for(arrived.wait(), 5)
        near.handle("/second", ignore)
        assert "/second" in names(await well.next())


@pytest.mark.req("IDN-10")
async def test_at_most_so_many_pushes_are_under_way() -> None:
    under_way, most = 0, 0
    release = asyncio.Event()
    audience = [Audience() for _ in range(5)]

    async def slow(stream: Stream) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await stream.read_to_end(100_000)
        await release.wait()
        under_way -= 1

    async with host(max_pushes=2) as near:
        for peer in audience:
            peer.handle(PUSH, slow)
            await peer.start()
            await peer.listen(LOOPBACK)
            await near.identify.wait(await near.connect(peer.full_addresses[0]))
        near.handle(EXTRA, ignore)
        await until(lambda: most == 2)
        release.set()
        await until(lambda: not near.identify._pushing)
        for peer in audience:
            await peer.close()


@pytest.mark.req("IDN-14")
async def test_pushes_keep_to_the_pace_that_go_bears() -> None:
    async with connected(host(push_burst=2, push_interval=3_600.0), Audience()) as (near, far, connection):
        await near.identify.wait(connection)
        for number in range(2):
            near.handle(f"/change/{number}", ignore)
            await far.next()
        near.handle("/change/late", ignore)
        await until(lambda: near.identify._version == 3)
        assert near.identify._pace.delay(monotonic()) > 3_000
        assert far.pushed.empty()


# -- addresses


async def test_the_addresses_of_the_interfaces_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    near = host(interface_interval=0.01)
    async with connected(near, Audience()) as (_, far, connection):
        await near.identify.wait(connection)
        moved = parse("/ip4/127.0.0.2/tcp/4001")
        monkeypatch.setattr(Host, "addresses", property(lambda self: [moved]))
        assert list((await far.next()).listen_addrs) == [moved.to_bytes()]


def reporting(observed: Multiaddr) -> BaseHost:
    return hostile(answering(frame(observed_addr=observed.to_bytes())))


OURS = parse("/ip4/8.8.4.4/tcp/4001")


@pytest.mark.req("IDN-07")
async def test_an_observed_address_is_advertised_once_four_groups_report_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The observers come from loopback, which never counts; so their addresses are made up here."""
    near = host()
    monkeypatch.setattr(
        type(near.identify._observed),
        "report",
        lambda self, connection, observed, remote, report=near.identify._observed.__class__.report: report(
            self, connection, observed, parse(f"/ip4/9.9.9.{connection.id % 250}/tcp/1")
        ),
    )
    observers = [reporting(OURS) for _ in range(4)]
    async with near:
        changes = near.events(AddressesChanged)
        for number, observer in enumerate(observers):
            assert OURS not in near.identify.addresses
            await observer.start()
            await observer.connect(near.full_addresses[0])
            await near.identify.wait(await backward(near, observer))
            assert len(near.identify._observed) == number + 1
        assert OURS in (await next_event(changes, AddressesChanged)).addresses
        assert near.identify.addresses == (*near.addresses, OURS)
        for observer in observers[:3]:
            await observer.close()
        assert OURS not in (await next_event(changes, AddressesChanged)).addresses
        await observers[3].close()


@pytest.mark.req("IDN-07")
async def test_what_a_peer_that_we_dialled_observes_is_not_counted() -> None:
    async with connected(host(), reporting(OURS)) as (near, _, connection):
        assert (await near.identify.wait(connection)).observed == OURS
        assert len(near.identify._observed) == 0


@pytest.mark.req("IDN-07", "DCUTR-05")
async def test_what_it_observes_counts_where_we_dialled_from_the_port_that_we_listen_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[Multiaddr] = []
    near, far = host(), reporting(OURS)
    monkeypatch.setattr(
        type(near.identify._observed), "report", lambda _, connection, observed, remote: bool(taken.append(observed))
    )
    async with far, near:
        await near.listen(LOOPBACK)
        await far.listen(LOOPBACK)
        near.reuse_port = True
        connection = await near.connect(far.full_addresses[0])
        await near.identify.wait(connection)
        assert taken == [OURS]
        connection.circuit = parse("/ip4/9.9.9.9/tcp/1/p2p-circuit")
        near.identify._accept(
            connection, near.identify._known[connection], Update(observed=parse("/ip4/8.8.4.4/tcp/1"))
        )
        assert taken == [OURS]


async def test_what_services_advertise_is_told() -> None:
    async with connected(host(), host()) as (near, far, connection):
        await near.identify.wait(connection)
        mapped = parse("/ip4/8.8.4.4/tcp/4444")
        events = near.events(PeerIdentified)
        far.advertise("port-mapping", [mapped])
        event = await next_event(events, PeerIdentified)
        assert event.pushed
        assert mapped in event.info.addresses
        assert mapped in far.identify.addresses


@pytest.mark.req("IDN-08", "ENV-08")
async def test_peers_are_told_addresses_that_are_of_use_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []

    class Noted(Announcement):
        def __init__(self, **fields: Any) -> None:
            made.append(fields)
            super().__init__(**fields)

    public, private = parse("/ip4/8.8.8.8/tcp/1"), parse("/ip4/10.0.0.1/tcp/1")
    monkeypatch.setattr(identify_module, "Announcement", Noted)
    async with host() as near:
        monkeypatch.setattr(Host, "addresses", property(lambda self: [public, private, LISTENING]))
        for scope in identify_module.Scope:
            near.identify._announce(scope)
    told = [fields["addresses"] for fields in made]
    assert told == [(public, private, LISTENING), (public, private), (public,)]
    records = [PeerRecord.open(fields["record"])[0].addresses for fields in made]
    assert records == told


# -- the service


async def test_a_handler_that_is_added_before_the_start_is_told() -> None:
    near, far = host(), host()
    far.handle(EXTRA, ignore)
    async with connected(near, far) as (_, _, connection):
        assert EXTRA in (await near.identify.wait(connection)).protocols


async def test_a_host_that_could_not_start_is_closed_without_a_fault() -> None:
    occupied = host()
    async with occupied:
        second = Host(listen=[str(occupied.addresses[0])])
        with pytest.raises(OSError, match="in use"):
            await second.start()
        assert second.network.closing
