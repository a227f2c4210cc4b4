"""Peers that are dialled, and accept, and then misbehave: DialError says why, and nothing is left of the attempt."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    DialError,
    HandshakeError,
    NegotiationError,
    P2PError,
    PeerIdMismatch,
    ProtocolNotSupported,
    StreamReset,
)
from p2pstack.identity.keys import PrivateKey
from p2pstack.multistream.messages import HEADER, NA
from p2pstack.noise import NoiseIdentity
from p2pstack.noise.payload import build_payload
from p2pstack.yamux.frames import ACK, DATA, FIN, GO_AWAY, RST, SYN, WINDOW_UPDATE
from tests.misbehave.arena import ECHO, Victim, arena, settings
from tests.misbehave.attacker import PATIENCE, Attacker, frame, proposal

pytestmark = pytest.mark.misbehave

HASTY = settings(upgrade_timeout=0.4)
NOISE = proposal("/noise")
Act = Callable[[Attacker], Awaitable[object]]


class Trap:
    """A port of the loopback that accepts, and then does as ``act`` says."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.key = PrivateKey.generate()
        self.attackers: list[Attacker] = []
        self.accepted = asyncio.Event()
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.sock.setblocking(False)
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._accept())

    @property
    def address(self) -> str:
        return f"/ip4/127.0.0.1/tcp/{self.sock.getsockname()[1]}"

    @property
    def full_address(self) -> str:
        return f"{self.address}/p2p/{self.key.peer_id}"

    def _spawn(self, coroutine) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self.sock)
            attacker = Attacker(sock, initiator=False)
            attacker.identity = NoiseIdentity(self.key, attacker.identity.muxers)
            self.attackers.append(attacker)
            self.accepted.set()
            self._spawn(self._run(attacker))

    async def _run(self, attacker: Attacker) -> None:
        with contextlib.suppress(OSError):
            await self.act(attacker)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.sock.close()
        for attacker in self.attackers:
            attacker.close()


@asynccontextmanager
async def trap(act: Act) -> AsyncIterator[Trap]:
    """Set a trap; its tasks and sockets are gone behind the block."""
    found = Trap(act)
    try:
        yield found
    finally:
        await found.close()


async def failure(victim: Victim, target: str) -> P2PError | OSError:
    """Dial; return why the only address failed."""
    before = victim.host.usage()["connections"]
    with pytest.raises(DialError) as caught:
        await victim.host.connect(target, timeout=PATIENCE)
    assert victim.host.usage()["connections"] == before
    [(address, error)] = caught.value.attempts
    assert target.startswith(address)
    assert f"{address}: {error}" in str(caught.value)
    assert isinstance(error, P2PError | OSError)
    assert str(error)
    return error


# -- what the listener can do


async def silent(attacker: Attacker) -> None:
    """Accept, read nothing, say nothing."""


async def header_only(attacker: Attacker) -> None:
    await attacker.send(HEADER)


async def silent_after_noise(attacker: Attacker) -> None:
    await attacker.send(NOISE)


async def half_a_message(attacker: Attacker) -> None:
    await attacker.send(NOISE + b"\x00\xc8" + bytes(100))


SILENCES = {silent: "security", header_only: "security", silent_after_noise: "handshake", half_a_message: "handshake"}


@pytest.mark.req("GEN-03", "TCP-04")
@pytest.mark.parametrize("act", SILENCES, ids=lambda act: act.__name__)
async def test_a_listener_that_falls_silent(act: Act) -> None:
    async with arena(HASTY) as victim, trap(act) as listener:
        error = await failure(victim, listener.full_address)
        assert isinstance(error, DeadlineExceeded)
        assert str(error) == f"the upgrade did not end within 0.4 s (in {SILENCES[act]})"
        await listener.attackers[0].read_to_end()


async def closes(attacker: Attacker) -> None:
    attacker.close()


async def half_closes(attacker: Attacker) -> None:
    attacker.half_close()


async def resets(attacker: Attacker) -> None:
    await attacker.read(1)
    attacker.abort()


async def closes_after_noise(attacker: Attacker) -> None:
    await attacker.send(NOISE)
    attacker.half_close()


async def closes_in_a_message(attacker: Attacker) -> None:
    await half_a_message(attacker)
    attacker.half_close()


@pytest.mark.req("TCP-04", "GEN-12", "MSS-13", "NOISE-02")
@pytest.mark.parametrize("act", [closes, half_closes, resets, closes_after_noise, closes_in_a_message])
async def test_a_listener_that_leaves(act: Act) -> None:
    async with arena() as victim, trap(act) as listener:
        error = await failure(victim, listener.full_address)
        assert isinstance(error, ConnectionClosed | NegotiationError | HandshakeError)


@pytest.mark.req("TCP-04")
async def test_a_port_where_nobody_listens() -> None:
    async with arena() as victim:
        async with trap(silent) as listener:
            target = listener.full_address
        assert isinstance(await failure(victim, target), ConnectionRefusedError)


def says(data: bytes) -> Act:
    async def act(attacker: Attacker) -> None:
        await attacker.send(data)
        await attacker.read_to_end()

    return act


ANSWERS: dict[str, tuple[bytes, type[P2PError], str]] = {
    "http": (b"HTTP/1.1 400 Bad Request\r\n\r\n", NegotiationError, "MSS-02"),
    "ssh": (b"SSH-2.0-OpenSSH_9.6\r\n", NegotiationError, "MSS-02"),
    "zeros": (bytes(1000), NegotiationError, "MSS-02"),
    "na": (HEADER + NA, ProtocolNotSupported, "MSS-03"),
    "another protocol": (proposal("/tls/1.0.0"), NegotiationError, "MSS-03"),
    "huge length": (HEADER + b"\xff\x7f", NegotiationError, "MSS-05"),
    "length 0": (HEADER + b"\x00", NegotiationError, "MSS-01"),
    "header twice": (HEADER + HEADER, NegotiationError, "MSS-03"),
    "short message 2": (NOISE + b"\x00\x5f", HandshakeError, "NOISE-12"),
    "low order": (NOISE + b"\x00\x60" + bytes(96), HandshakeError, "NOISE-11"),
    "wrong message 2": (NOISE + b"\x00\x60" + b"\x09" * 96, HandshakeError, "NOISE-09"),
    "largest message 2": (NOISE + b"\xff\xff" + b"\x09" * 65_535, HandshakeError, "NOISE-09"),
}


@pytest.mark.req("TCP-04", "MSS-02", "MSS-03", "MSS-05", "NOISE-09", "NOISE-11", "NOISE-12", "NOISE-19")
@pytest.mark.parametrize("name", ANSWERS)
async def test_a_listener_that_speaks_garbage(name: str) -> None:
    data, kind, requirement = ANSWERS[name]
    async with arena() as victim, trap(says(data)) as listener:
        error = await failure(victim, listener.full_address)
        assert type(error) is kind
        assert error.requirement == requirement


@pytest.mark.req("NOISE-07", "NOISE-15", "TCP-04")
async def test_a_listener_who_is_somebody_else() -> None:
    async with arena() as victim, trap(Attacker.upgrade) as listener:
        other = PrivateKey.generate().peer_id
        error = await failure(victim, f"{listener.address}/p2p/{other}")
        assert isinstance(error, PeerIdMismatch)
        assert (error.expected, error.actual) == (other, listener.key.peer_id)


@pytest.mark.req("NOISE-06")
async def test_a_listener_with_a_stolen_key() -> None:
    async def act(attacker: Attacker) -> None:
        stolen = NoiseIdentity(PrivateKey.generate(), attacker.identity.muxers)
        attacker.identity.payload = build_payload(stolen.key, stolen.static_public, stolen.muxers)
        await attacker.send_message((await attacker.begin_handshake()).write_message())
        await attacker.read_to_end()

    async with arena() as victim, trap(act) as listener:
        error = await failure(victim, listener.full_address)
        assert isinstance(error, HandshakeError)
        assert error.requirement == "NOISE-06"


@pytest.mark.req("MSS-09", "NOISE-20")
async def test_a_listener_without_a_muxer() -> None:
    """The dialer that negotiates lazily has a connection for a moment; it ends with the refusal."""

    async def act(attacker: Attacker) -> None:
        attacker.identity = NoiseIdentity(attacker.identity.key)
        await attacker.respond()
        await attacker.send_plain(HEADER + NA)
        await attacker.read_to_end()

    async with arena() as victim, trap(act) as listener:
        with contextlib.suppress(DialError):
            await victim.host.connect(listener.full_address)
        connection = await victim.next_end()
        assert isinstance(connection.close_reason, ProtocolNotSupported)


@pytest.mark.req("GEN-03", "TCP-04")
async def test_a_dial_of_a_silent_listener_that_is_given_up() -> None:
    async with arena() as victim, trap(silent) as listener:
        with pytest.raises(DeadlineExceeded, match=r"took longer than 0\.1 s"):
            await victim.host.connect(listener.full_address, timeout=0.1)
        await victim.next_end()
        assert victim.host.usage()["connections"].current == 1
        await listener.attackers[0].read_to_end()


@pytest.mark.req("TCP-04")
async def test_callers_that_join_a_dial_and_are_cancelled() -> None:
    async with arena() as victim, trap(header_only) as listener:
        callers = [asyncio.ensure_future(victim.host.connect(listener.full_address)) for _ in range(20)]
        async with asyncio.timeout(PATIENCE):
            await listener.accepted.wait()
            assert await listener.attackers[0].read(20) == HEADER
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
        assert all(caller.cancelled() for caller in callers)
        await victim.next_end()
        assert victim.host.usage()["connections"].current == 1
        assert len(listener.attackers) == 1


@pytest.mark.req("TCP-04")
async def test_bad_addresses_do_not_spoil_the_good_one() -> None:
    config = settings(dial={"private_stagger": 0.001})
    async with arena(config) as victim, contextlib.AsyncExitStack() as stack:
        bad = [
            await stack.enter_async_context(trap(act)) for act in (silent, closes, resets, says(b"HTTP/1.1 400\r\n"))
        ]
        good = await stack.enter_async_context(trap(_serve_pings))
        connection = await victim.host.connect(
            f"/p2p/{good.key.peer_id}", [each.address for each in [*bad, good]], timeout=PATIENCE
        )
        assert connection.peer_id == good.key.peer_id
        for each in bad:
            for attacker in each.attackers:
                if attacker.sock.fileno() >= 0:
                    await attacker.read_to_end()
        assert victim.host.usage()["connections"].current == 2
        await connection.close()


async def _serve_pings(attacker: Attacker) -> None:
    await attacker.upgrade()
    await attacker.rest()


@pytest.mark.req("TCP-04", "TCP-05", "GEN-04")
async def test_an_address_that_failed_is_left_alone_and_the_error_says_so() -> None:
    async with arena(settings(dial={"max_backoffs": 3})) as victim, trap(says(b"HTTP/1.1 400\r\n")) as listener:
        await failure(victim, listener.full_address)
        assert "left alone for" in str(await failure(victim, listener.full_address))
        assert len(listener.attackers) == 1
        for _ in range(10):
            await failure(victim, f"{listener.address}/p2p/{PrivateKey.generate().peer_id}")
        assert len(victim.host._dialer._backoff) == 3


# -- streams that we open to it


@pytest.mark.req("GEN-03", "YMX-20")
async def test_a_listener_that_answers_no_stream() -> None:
    async with arena(settings(negotiation_timeout=0.2)) as victim, trap(_serve_pings) as listener:
        connection = await victim.host.connect(listener.full_address)
        for timeout in (0.1, 5.0):
            with pytest.raises(DeadlineExceeded):
                await connection.open_stream([ECHO, "/other"], timeout=timeout)
        stream = await connection.open_stream(ECHO, lazy=True)
        stream.write(b"anybody?")
        with pytest.raises(DeadlineExceeded):
            await stream.read()
        assert not connection.streams
        assert not connection.closed
        await connection.close()


@pytest.mark.req("YMX-20", "GEN-03")
async def test_a_listener_that_acknowledges_no_stream() -> None:
    config = settings(yamux={"max_unacknowledged": 3})
    async with arena(config) as victim, trap(_serve_pings) as listener:
        connection = await victim.host.connect(listener.full_address)
        for _ in range(3):
            await connection.open_stream(ECHO, lazy=True)
        with pytest.raises(DeadlineExceeded, match="no further stream"):
            await connection.open_stream(ECHO, lazy=True, timeout=0.1)
        waiting = asyncio.ensure_future(connection.open_stream(ECHO, lazy=True, timeout=PATIENCE))
        await listener.close()
        with pytest.raises(ConnectionClosed):
            await waiting


def answers(*frames: bytes) -> Act:
    async def act(attacker: Attacker) -> None:
        await attacker.upgrade()
        while (found := await attacker.next_frame()) is not None:
            if found.flags & SYN:
                await attacker.send_frames(*frames)

    return act


STREAM_ANSWERS: dict[str, tuple[Act, type[P2PError]]] = {
    "reset": (answers(frame(WINDOW_UPDATE, RST, 1, 0x1001)), StreamReset),
    "FIN": (answers(frame(DATA, ACK | FIN, 1)), NegotiationError),
    "na": (answers(frame(DATA, ACK, 1, body=HEADER + NA)), ProtocolNotSupported),
    "garbage": (answers(frame(DATA, ACK, 1, body=b"HTTP/1.1 400\r\n")), NegotiationError),
    "another protocol": (answers(frame(DATA, ACK, 1, body=proposal("/other"))), NegotiationError),
    "na too often": (answers(frame(DATA, ACK, 1, body=HEADER + NA * 200)), ProtocolNotSupported),
    "huge length": (answers(frame(DATA, ACK, 1, body=HEADER + b"\xff\x7f")), NegotiationError),
    "ls": (answers(frame(DATA, ACK, 1, body=HEADER + b"\x03ls\n")), NegotiationError),
}


@pytest.mark.req("MSS-03", "MSS-05", "MSS-13", "YMX-14", "GEN-01")
@pytest.mark.parametrize("name", STREAM_ANSWERS)
@pytest.mark.parametrize("lazy", [False, True])
async def test_a_listener_that_answers_a_stream_wrongly(name: str, lazy: bool) -> None:
    act, kind = STREAM_ANSWERS[name]
    async with arena() as victim, trap(act) as listener:
        connection = await victim.host.connect(listener.full_address)
        with pytest.raises(kind):
            stream = await connection.open_stream(ECHO, lazy=lazy)
            await stream.read()
        assert not connection.streams
        assert not connection.machine.pending
        assert not connection.closed
        await connection.close()


@pytest.mark.req("YMX-19", "YMX-26")
@pytest.mark.parametrize("end", [frame(GO_AWAY, 0, 0, 0), frame(GO_AWAY, 0, 0, 1), b"\xff" * 12, None])
async def test_a_listener_that_ends_the_connection_under_a_waiting_stream(end: bytes | None) -> None:
    async def act(attacker: Attacker) -> None:
        await attacker.upgrade()
        await attacker.next_frame()
        if end is None:
            attacker.abort()
        else:
            await attacker.send_frames(end)
            await attacker.rest()

    async with arena() as victim, trap(act) as listener:
        connection = await victim.host.connect(listener.full_address)
        with pytest.raises(ConnectionClosed):
            await connection.open_stream(ECHO)
        assert await victim.end_of(connection) is not None
        assert not connection.streams
