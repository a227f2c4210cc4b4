"""identify, ping and perf with peers that answer wrongly, too much, too slowly or not at all."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from p2pstack.errors import DeadlineExceeded, P2PError, ProtocolViolation
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.config import IdentifyConfig, PingConfig, ServiceConfig
from p2pstack.services.events import IdentifyFailed, PeerIdentified
from p2pstack.services.identify_message import IDENTIFY, PUSH
from p2pstack.services.perf import PERF, serve_perf
from p2pstack.services.ping import PING
from p2pstack.services.standard import Host
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb.identify_pb2 import Identify
from p2pstack.yamux.frames import ACK, DATA, FIN, RST, SYN, WINDOW_UPDATE
from tests.misbehave.arena import ECHO, Growth, Victim, arena, settings
from tests.misbehave.attacker import PATIENCE, Attacker, Frame, frame, proposal, reset_codes

pytestmark = pytest.mark.misbehave

SERVICES = ServiceConfig(
    identify=IdentifyConfig(timeout=0.3, push_delay=0.0), ping=PingConfig(timeout=0.3, idle_timeout=0.3)
)
CONFIG = settings(yamux={"close_timeout": 0.3})


class Watched(Host):
    """A host whose ping service has begun its one task, which lasts as long as the host: no attack has left it."""

    async def start(self) -> None:
        await super().start()
        self._ping._watch()


full_host = partial(arena, CONFIG, make=partial(Watched, services=SERVICES))


async def asked(attacker: Attacker, protocol: str) -> int:
    """Wait for the stream by which the victim asks us."""
    while True:
        found = await attacker.next_frame()
        assert found is not None
        if found.flags & SYN and found.body.startswith(proposal(protocol)):
            return found.stream_id


async def still_usable(victim: Victim, attacker: Attacker) -> None:
    """Show that the connection lives and serves streams."""
    stream_id = await attacker.open_stream(ECHO, b"alive", fin=True)
    assert await attacker.read_stream(stream_id, 5) == b"alive"
    assert not victim.connection(attacker).closed


def message(**fields: object) -> bytes:
    """An Identify message behind its length."""
    return encode_frame(Identify(**fields).SerializeToString())


# -- identify: we are asked

ANSWERED = proposal(IDENTIFY)

WRONG: dict[str, tuple[bytes, str]] = {
    "9 MiB announced": (b"\x80\x80\xc0\x04", ""),
    "8193 bytes": (b"\x81\x40", ""),
    "2 ** 63 bytes": (b"\xff" * 8 + b"\x7f", ""),
    "endless length": (b"\x80" * 100, "GEN-06"),
    "length not minimal": (b"\x81\x00", "GEN-06"),
    "11 messages": (message(agent_version=b"a") * 11, "IDN-04"),
    "garbage": (encode_frame(b"\xff" * 50), ""),
    "field 0": (encode_frame(b"\x00\x00"), ""),
    "an http answer": (b"HTTP/1.1 400 Bad Request\r\n\r\n", ""),
}


@pytest.mark.req("IDN-02", "IDN-03", "IDN-04", "IDN-12", "GEN-02", "GEN-06", "GEN-07")
@pytest.mark.parametrize("name", WRONG)
async def test_an_answer_that_is_wrong_costs_its_stream(name: str) -> None:
    data, requirement = WRONG[name]
    async with full_host() as victim, victim.host.events(IdentifyFailed) as events:
        attacker = await (await victim.attacker()).upgrade()
        stream_id = await asked(attacker, IDENTIFY)
        flags = ACK | FIN if name == "an http answer" else ACK
        await attacker.send_frames(frame(DATA, flags, stream_id, body=ANSWERED + data))
        assert await attacker.await_reset(stream_id) == 0
        error = await failed(events, attacker)
        assert isinstance(error, ProtocolViolation)
        assert requirement in {"", error.requirement}
        await still_usable(victim, attacker)


async def failed(events, attacker: Attacker) -> P2PError:
    """The error with which the victim gave up asking us."""
    async with asyncio.timeout(PATIENCE):
        async for event in events:
            if event.peer == attacker.peer_id:
                return event.error
    raise AssertionError("no event")


@pytest.mark.req("IDN-11", "IDN-12", "GEN-03")
@pytest.mark.parametrize("answer", [None, b"", ANSWERED, ANSWERED + b"\x20", ANSWERED + message(agent_version=b"x")])
async def test_an_answer_that_never_ends_is_given_up(answer: bytes | None) -> None:
    async with full_host() as victim, victim.host.events(IdentifyFailed) as events:
        attacker = await (await victim.attacker()).upgrade()
        stream_id = await asked(attacker, IDENTIFY)
        if answer is not None:
            await attacker.send_frames(frame(DATA, ACK, stream_id, body=answer))
        assert await attacker.await_reset(stream_id) == 0
        assert isinstance(await failed(events, attacker), DeadlineExceeded)
        await still_usable(victim, attacker)


@pytest.mark.req("IDN-12", "GEN-03")
async def test_an_answer_that_comes_a_byte_now_and_then_gains_no_time() -> None:
    async with full_host() as victim, victim.host.events(IdentifyFailed) as events:
        attacker = await (await victim.attacker()).upgrade()
        stream_id = await asked(attacker, IDENTIFY)
        await attacker.send_frames(frame(DATA, ACK, stream_id, body=ANSWERED + b"\xff\x3f"))
        ending = asyncio.ensure_future(failed(events, attacker))
        sent = 0
        while not ending.done():
            await attacker.send_frames(frame(DATA, 0, stream_id, body=b"\x0a"))
            sent += 1
            await asyncio.wait([ending], timeout=0.01)
        assert isinstance(await ending, DeadlineExceeded)
        assert sent < 200
        await still_usable(victim, attacker)


@pytest.mark.req("IDN-01", "MSS-13", "YMX-14")
@pytest.mark.parametrize("flags", [FIN, RST])
async def test_an_asked_peer_that_says_nothing_and_ends_the_stream(flags: int) -> None:
    async with full_host() as victim, victim.host.events(IdentifyFailed) as events:
        attacker = await (await victim.attacker()).upgrade()
        stream_id = await asked(attacker, IDENTIFY)
        await attacker.send_frames(frame(DATA, ACK | flags, stream_id, body=ANSWERED))
        assert str(await failed(events, attacker))
        await still_usable(victim, attacker)


@pytest.mark.req("GEN-03", "YMX-26")
async def test_a_peer_that_leaves_while_it_is_asked() -> None:
    async with full_host() as victim:
        for _ in range(20):
            attacker = await (await victim.attacker()).upgrade()
            await asked(attacker, IDENTIFY)
            attacker.abort()
            await victim.next_end()


@pytest.mark.req("IDN-05", "IDN-06", "IDN-08", "IDN-09", "IDN-13", "GEN-04")
async def test_lies_and_excess_are_cut_down() -> None:
    """The key of another, a record that is none, names that are none, 100,000 characters of terminal tricks."""
    other = PrivateKey.generate()
    parts = [
        message(
            public_key=other.public_key.to_protobuf(),
            signed_peer_record=b"\xff" * 100,
            observed_addr=b"\xff\xff",
            agent_version=b"\x1b[2J\xff" + b"a" * 6000,
            protocol_version=b"\x00\n\r" + b"b" * 1000,
            listen_addrs=[b"\xff", b"", b"\x04\x7f\x00\x00\x01\x06\x0f\xa1"],
        ),
        *(message(protocols=[b"/%d/%d" % (part, each) for each in range(700)]) for part in range(8)),
        message(protocols=[b"no slash", b"/\xff", b"/new\nline", b"/" + b"x" * 2000]),
    ]
    assert max(map(len, parts)) <= 8194
    async with full_host() as victim, victim.host.events(PeerIdentified) as events:
        attacker = await (await victim.attacker()).upgrade()
        stream_id = await asked(attacker, IDENTIFY)
        await attacker.send_frames(frame(DATA, ACK | FIN, stream_id, body=ANSWERED + b"".join(parts)))
        async with asyncio.timeout(PATIENCE):
            event = await anext(events)
        info = event.info
        assert info.peer == attacker.peer_id
        assert len(info.protocols) <= 1024
        assert all(name.startswith("/") and name.isprintable() for name in info.protocols)
        assert [str(address) for address in info.addresses] == ["/ip4/127.0.0.1/tcp/4001"]
        assert len(info.agent) + len(info.protocol_version) <= 512
        assert (info.agent + info.protocol_version).isprintable()
        assert info.record is None
        assert info.observed is None
        assert other.peer_id not in victim.host.peerstore
        await still_usable(victim, attacker)


# -- identify: we ask, and push


@pytest.mark.req("IDN-12", "YMX-27", "GEN-03")
async def test_who_asks_and_does_not_read_leaves_nothing_behind() -> None:
    async with full_host() as victim:
        attacker = await (await victim.attacker()).upgrade()
        ids = [attacker.new_id() for _ in range(100)]
        await attacker.send_frames(*[frame(DATA, SYN, each, body=ANSWERED) for each in ids])
        resets: dict[int, int] = {}
        while set(ids) - set(resets):
            found = await attacker.next_frame()
            assert found is not None
            resets |= reset_codes([found])
        assert len(victim.connection(attacker).handlers) == 0
        await still_usable(victim, attacker)


@pytest.mark.req("IDN-10", "GEN-04")
async def test_pushes_without_end_are_refused() -> None:
    async with full_host() as victim, victim.host.events(PeerIdentified) as events:
        attacker = await (await victim.attacker()).upgrade()
        for number in range(200):
            body = proposal(PUSH) + message(agent_version=b"%d" % number)
            await attacker.send_frames(frame(DATA, SYN | FIN, attacker.new_id(), body=body))
        codes = reset_codes(await attacker.barrier())
        assert 150 < len(codes) < 200
        assert 0 < len(events._queue) <= 40
        await still_usable(victim, attacker)


@pytest.mark.req("IDN-10", "IDN-12", "GEN-02", "GEN-03")
@pytest.mark.parametrize("data", [b"", b"\xff\x3f", b"\x81\x40", encode_frame(b"\xff"), b"\x80" * 20])
async def test_a_push_that_is_wrong_or_never_ends(data: bytes) -> None:
    async with full_host() as victim:
        attacker = await (await victim.attacker()).upgrade()
        stream_id = await attacker.ask_stream(PUSH, data)
        assert await attacker.await_reset(stream_id) == 0
        await still_usable(victim, attacker)


@pytest.mark.req("IDN-14", "IDN-12", "GEN-03")
async def test_a_push_that_nobody_takes_does_not_hold_up_others() -> None:
    """One peer asked for pushes and takes none; the next still gets its own."""
    async with full_host() as victim, victim.host.events(PeerIdentified) as events:
        attackers = []
        for _ in range(2):
            attacker = await (await victim.attacker()).upgrade()
            stream_id = await asked(attacker, IDENTIFY)
            body = ANSWERED + message(protocols=[PUSH.encode()])
            await attacker.send_frames(frame(DATA, ACK | FIN, stream_id, body=body))
            await anext(events)
            attackers.append(attacker)
        victim.host.handle("/new/1.0.0", lambda stream: stream.close())
        stuck = await asked(attackers[0], PUSH)
        other = await asked(attackers[1], PUSH)
        await attackers[1].send_frames(frame(DATA, ACK, other, body=proposal(PUSH)))
        assert b"/new/1.0.0" in await attackers[1].read_stream(other, 200)
        await attackers[0].await_reset(stuck)
        await still_usable(victim, attackers[0])
        victim.host.unhandle("/new/1.0.0")


# -- ping

PINGED = proposal(PING)


async def pong(attacker: Attacker, reply) -> None:
    """Answer one ping of the victim with what ``reply`` makes of it."""
    stream_id = await asked(attacker, PING)
    await attacker.send_frames(frame(DATA, ACK, stream_id, body=PINGED))
    payload = await attacker.read_stream(stream_id, 32)
    await attacker.send_frames(*reply(stream_id, payload))


PONGS = {
    "another echo": (lambda each, data: [frame(DATA, 0, each, body=bytes(32))], ProtocolViolation),
    "one bit": (lambda each, data: [frame(DATA, 0, each, body=data[:-1] + bytes([data[-1] ^ 1]))], ProtocolViolation),
    "33 bytes": (lambda each, data: [frame(DATA, 0, each, body=data + b"x")], ProtocolViolation),
    "64 KiB": (lambda each, data: [frame(DATA, 0, each, body=data * 2000)], ProtocolViolation),
    "31 bytes": (lambda each, data: [frame(DATA, 0, each, body=data[:31])], DeadlineExceeded),
    "nothing": (lambda each, data: [], DeadlineExceeded),
    "FIN": (lambda each, data: [frame(DATA, FIN, each, body=data[:31])], P2PError),
    "RST": (lambda each, data: [frame(DATA, RST, each)], P2PError),
}


@pytest.mark.req("PING-01", "PING-02", "GEN-03")
@pytest.mark.parametrize("name", PONGS)
async def test_an_echo_that_is_none(name: str) -> None:
    reply, kind = PONGS[name]
    async with full_host() as victim:
        attacker = await (await victim.attacker()).upgrade()
        await asked(attacker, IDENTIFY)
        answering = asyncio.ensure_future(pong(attacker, reply))
        with pytest.raises(kind):
            await victim.host.ping(attacker.peer_id)
        await answering
        await still_usable(victim, attacker)
        streams = [stream for stream in victim.connection(attacker).streams if stream.protocol == PING]
        assert streams == []


@pytest.mark.req("PING-02", "GEN-05")
async def test_a_third_ping_stream_is_refused() -> None:
    async with full_host() as victim:
        attacker = await (await victim.attacker()).upgrade()
        first, second = await attacker.open_stream(PING), await attacker.open_stream(PING)
        for _ in range(10):
            third = attacker.new_id()
            await attacker.send_frames(frame(DATA, SYN, third, body=PINGED + bytes(32)))
            assert await attacker.await_reset(third) == 0x1002
        for stream_id in (first, second):
            await attacker.send_frames(frame(DATA, 0, stream_id, body=bytes(range(32))))
            assert await attacker.read_stream(stream_id, 32) == bytes(range(32))


@pytest.mark.req("PING-03", "PING-04")
@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 100])
async def test_a_rest_of_a_ping_is_dropped(size: int) -> None:
    async with full_host() as victim:
        attacker = await (await victim.attacker()).upgrade()
        stream_id = attacker.new_id()
        await attacker.send_frames(frame(DATA, SYN | FIN, stream_id, body=PINGED + bytes(size)))
        echo = size // 32 * 32
        frames = await frames_of(attacker, stream_id)
        assert len(b"".join(found.body for found in frames)) == len(PINGED) + echo
        assert not any(found.flags & RST for found in frames)


async def frames_of(attacker: Attacker, stream_id: int) -> list[Frame]:
    """The victim's frames on a stream until it ends its side."""
    frames = []
    while True:
        found = await attacker.next_frame()
        assert found is not None
        if found.stream_id == stream_id:
            frames.append(found)
            if found.flags & (FIN | RST):
                return frames


@pytest.mark.req("PING-05", "GEN-03")
async def test_an_idle_ping_stream_ends() -> None:
    async with full_host() as victim:
        attacker = await (await victim.attacker()).upgrade()
        stream_id = await attacker.open_stream(PING, bytes(31))
        [last] = await frames_of(attacker, stream_id)
        assert last.flags & FIN
        await attacker.await_reset(stream_id)  # since we do not end our side


@pytest.mark.req("PING-05", "GEN-04", "YMX-10", "YMX-11")
async def test_pings_whose_echoes_are_not_taken() -> None:
    async with full_host() as victim:
        attacker = await (await victim.attacker()).upgrade()
        stream_id = await attacker.open_stream(PING)
        stream = next(each for each in victim.connection(attacker).streams if each.protocol == PING)
        growth = Growth()
        sent = 0
        while True:
            await attacker.send_frames(frame(DATA, 0, stream_id, body=bytes(32_000)))
            sent += 32_000
            credit = sum(each.length for each in await attacker.barrier() if each.kind == WINDOW_UPDATE)
            if sent - credit > 200_000 or sent > 4_000_000:
                break
        assert sent < 2_000_000
        assert stream.unsent_size + stream.unread < 1_000_000
        assert growth.mebibytes < 16
        await attacker.await_reset(stream_id)
        await still_usable(victim, attacker)


# -- perf


@pytest.mark.req("PERF-01")
@pytest.mark.parametrize("size", [0, 1, 7])
async def test_perf_with_fewer_than_8_bytes(size: int) -> None:
    async with arena(CONFIG, prepare=serve_perf) as victim:
        attacker = await victim.upgraded()
        stream_id = attacker.new_id()
        await attacker.send_frames(frame(DATA, SYN | FIN, stream_id, body=proposal(PERF) + bytes(size)))
        assert await attacker.await_reset(stream_id) == 0
        await still_usable(victim, attacker)


@pytest.mark.req("PERF-01", "YMX-14", "YMX-21")
@pytest.mark.parametrize("leave", ["reset", "abort", "close"])
async def test_perf_of_2_64_bytes_until_the_client_leaves(leave: str) -> None:
    async with arena(CONFIG, prepare=serve_perf) as victim:
        attacker = await victim.upgraded()
        growth = Growth()
        stream_id = await attacker.open_stream(PERF, b"\xff" * 8, fin=True)
        await attacker.send_frames(frame(WINDOW_UPDATE, 0, stream_id, 1 << 30))
        for _ in range(10):  # what the attacker holds counts, too
            await attacker.read_stream(stream_id, 1_000_000)
        if leave == "reset":
            await attacker.send_frames(frame(WINDOW_UPDATE, RST, stream_id, 0))
            await attacker.barrier()
            await still_usable(victim, attacker)
        else:
            connection = victim.connection(attacker)
            getattr(attacker, leave)()
            await victim.end_of(connection)
        assert growth.mebibytes < 32


@pytest.mark.req("PERF-01", "GEN-04")
async def test_perf_downloads_that_nobody_reads() -> None:
    async with arena(CONFIG, prepare=partial(serve_perf, max_streams=50)) as victim:
        attacker = await victim.upgraded()
        growth = Growth()
        for _ in range(50):
            await attacker.open_stream(PERF, b"\xff" * 8, fin=True)
        stream_id = attacker.new_id()
        await attacker.send_frames(frame(DATA, SYN, stream_id, body=proposal(PERF)))
        assert await attacker.await_reset(stream_id) == 0x1002
        assert growth.mebibytes < 32
        await still_usable(victim, attacker)
