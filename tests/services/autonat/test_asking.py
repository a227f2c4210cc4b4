"""What a client makes of a server's answers: honest ones, confused ones, lies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.autonat import v1, v2
from p2pstack.autonat.protocols import DIAL_BACK, DIAL_REQUEST, V1
from p2pstack.autonat.v2 import DataRequest, DataResponse, DialRequest, DialResponse, DialStatus, Status
from p2pstack.errors import DeadlineExceeded, ProtocolNotSupported, ProtocolViolation, StreamReset
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.services.autonat.asking import DialBacks, Verdict, ask_v1, ask_v2
from p2pstack.services.autonat.config import AutonatClientConfig
from tests.services.autonat.world import at, dead_address, server
from tests.services.hosts import connected, until

Handler = Callable[[Stream], Awaitable[None]]
SECONDS = {"timeout": 2.0, "back_timeout": 0.3}


class Asker:
    """A host that takes dial-backs, and its connection to a server."""

    def __init__(self, host: BaseHost, far: BaseHost, connection: Connection) -> None:
        self.host = host
        self.far = far
        self.connection = connection
        self.backs = DialBacks(AutonatClientConfig(back_timeout=0.3))
        host.handle(DIAL_BACK, self.backs.serve)

    async def v1(self, *addresses: Multiaddr, timeout: float = 2.0) -> list[Verdict]:
        return await ask_v1(self.connection, self.host.peer_id, addresses or self.host.addresses, timeout=timeout)

    async def v2(self, *addresses: Multiaddr, timeout: float = 2.0) -> list[Verdict]:
        asked = addresses or self.host.addresses
        return await ask_v2(self.connection, asked, self.backs, timeout=timeout, back_timeout=0.3)


@asynccontextmanager
async def asker(far: BaseHost, number: int = 1) -> AsyncIterator[Asker]:
    async with connected(BaseHost(listen=[at(number)]), far) as (near, _, connection):
        yield Asker(near, far, connection)


def liar(protocol: str, handler: Handler) -> BaseHost:
    host = BaseHost(listen=[at(2)])
    host.handle(protocol, handler)
    return host


def saying(protocol: str, *messages: bytes) -> BaseHost:
    """A server that reads one message and then says these, whatever happens."""

    async def serve(stream: Stream) -> None:
        await stream.read_frame(8192)
        for message in messages:
            stream.write_frame(message)
        await stream.read_to_end(1 << 20)

    return liar(protocol, serve)


async def leave(connection: Connection, nonce: int) -> None:
    """Bring a nonce."""
    async with await connection.open_stream(DIAL_BACK) as stream:
        stream.timeout = 2.0
        stream.write_frame(v2.encode_back(nonce))
        await stream.read_frame(1024)


# -- version 1


@pytest.mark.req("AUTONAT1-04")
async def test_v1_success_is_of_one_address_failure_of_all() -> None:
    async with asker(server(dial_timeout=0.3)) as near:
        [own] = near.host.addresses
        dead = dead_address(near.host)
        assert await near.v1(dead, own) == [Verdict(None, reachable=True), Verdict(own, reachable=True)]
        unreachable = parse("/ip4/127.0.0.1/tcp/2")
        assert await near.v1(dead, unreachable) == [
            Verdict(each, reachable=False) for each in (dead, unreachable, None)
        ]


@pytest.mark.parametrize("status", [101, 200, 300, 777])
async def test_v1_a_refusal_says_nothing(status: int) -> None:
    async with asker(saying(V1, v1.DialResponse(status, "no").encode())) as near:
        assert await near.v1() == []


async def test_v1_another_address_than_those_asked_about_is_not_taken() -> None:
    victim = parse("/ip4/5.10.0.66/tcp/25")
    for response in (v1.DialResponse(0, address=victim), v1.DialResponse(0)):
        async with asker(saying(V1, response.encode())) as near:
            assert await near.v1() == [Verdict(None, reachable=True)]


@pytest.mark.req("AUTONAT1-01")
@pytest.mark.misbehave
@pytest.mark.parametrize("answer", [b"", b"\xff", bytes(4097)])
async def test_v1_what_is_no_answer(answer: bytes) -> None:
    async with asker(saying(V1, answer)) as near:
        with pytest.raises(ProtocolViolation):
            await near.v1()


@pytest.mark.misbehave
async def test_v1_an_answer_that_does_not_come() -> None:
    async with asker(saying(V1)) as near:
        with pytest.raises(DeadlineExceeded):
            await near.v1(timeout=0.2)


async def test_v1_a_peer_that_does_not_speak_it() -> None:
    async with asker(BaseHost(listen=[at(2)])) as near:
        with pytest.raises(ProtocolNotSupported):
            await near.v1()


# -- version 2


@pytest.mark.req("AUTONAT2-03")
async def test_v2_the_address_that_was_dialled_is_judged() -> None:
    async with asker(server()) as near:
        [own] = near.host.addresses
        assert await near.v2(own, dead_address(near.host)) == [Verdict(own, reachable=True)]
        assert await near.v2(dead_address(near.host), own) == [Verdict(dead_address(near.host), reachable=False)]
        assert len(near.backs) == 0


@pytest.mark.req("AUTONAT2-02")
async def test_v2_data_is_sent_for_another_ip() -> None:
    async with asker(server(), number=3) as near:
        [own] = near.host.addresses
        assert await near.v2() == [Verdict(own, reachable=True)]


@pytest.mark.parametrize("status", [Status.E_INTERNAL_ERROR, Status.E_REQUEST_REJECTED, Status.E_DIAL_REFUSED, 7])
async def test_v2_a_refusal_says_nothing(status: int) -> None:
    async with asker(saying(DIAL_REQUEST, DialResponse(status).encode())) as near:
        assert await near.v2() == []


@pytest.mark.req("AUTONAT2-03")
@pytest.mark.misbehave
@pytest.mark.parametrize(
    "response",
    [
        DialResponse(Status.OK, 0, DialStatus.OK),  # but nothing came in
        DialResponse(Status.OK, 0, DialStatus.E_DIAL_BACK_ERROR),
        DialResponse(Status.OK, 0, DialStatus.UNUSED),
        DialResponse(Status.OK, 0, 7),
        DialResponse(Status.OK, 1, DialStatus.E_DIAL_ERROR),
        DialResponse(Status.OK, 2**32 - 1, DialStatus.OK),
    ],
)
async def test_v2_what_is_not_borne_out_is_discarded(response: DialResponse) -> None:
    async with asker(saying(DIAL_REQUEST, response.encode())) as near:
        with pytest.raises(ProtocolViolation) as caught:
            await near.v2()
        assert caught.value.requirement == "AUTONAT2-03"


@pytest.mark.req("AUTONAT2-01", "AUTONAT2-02")
@pytest.mark.misbehave
@pytest.mark.parametrize(
    "messages",
    [
        [b""],
        [b"\xff"],
        [bytes(8193)],
        [DialRequest((), 7).encode()],
        [DataResponse(100).encode()],
        [DataRequest(0, 100_001).encode()],
        [DataRequest(0, 2**64 - 1).encode()],
        [DataRequest(1, 30_000).encode()],
        [DataRequest(0, 30_000).encode()] * 2,  # and so on, for ever
    ],
)
async def test_v2_what_is_no_answer(messages: list[bytes]) -> None:
    async with asker(saying(DIAL_REQUEST, *messages)) as near:
        with pytest.raises(ProtocolViolation):
            await near.v2()


@pytest.mark.misbehave
async def test_v2_an_answer_that_does_not_come() -> None:
    async with asker(saying(DIAL_REQUEST)) as near:
        with pytest.raises(DeadlineExceeded):
            await near.v2(timeout=0.2)
        assert len(near.backs) == 0


def dialling(status: int, *, asked: int = 0, nonce: int | None = None) -> tuple[BaseHost, list[Connection]]:
    """A server that dials one of the addresses, and says what it likes of that."""
    host = BaseHost(listen=[at(2)])
    made: list[Connection] = []

    async def serve(stream: Stream) -> None:
        request = v2.decode(await stream.read_frame(8192))
        assert isinstance(request, DialRequest)
        target = request.addresses[asked]
        assert target is not None
        made.append(await host.dial_direct(stream.peer_id, [target], timeout=2.0))
        await leave(made[0], request.nonce if nonce is None else nonce)
        stream.write_frame(DialResponse(Status.OK, 0, status).encode())

    host.handle(DIAL_REQUEST, serve)
    return host, made


@pytest.mark.req("AUTONAT2-03")
async def test_v2_the_right_nonce_proves_it_though_the_server_thinks_that_it_failed() -> None:
    far, _ = dialling(DialStatus.E_DIAL_BACK_ERROR)
    async with asker(far) as near:
        assert await near.v2() == [Verdict(near.host.addresses[0], reachable=True)]


@pytest.mark.req("AUTONAT2-03")
@pytest.mark.misbehave
async def test_v2_a_failure_with_the_right_nonce_is_a_lie() -> None:
    far, _ = dialling(DialStatus.E_DIAL_ERROR)
    async with asker(far) as near:
        with pytest.raises(ProtocolViolation):
            await near.v2()


@pytest.mark.req("AUTONAT2-03")
@pytest.mark.misbehave
async def test_v2_the_protocols_of_the_address_and_of_the_connection_are_compared() -> None:
    far, _ = dialling(DialStatus.OK, asked=1)
    async with asker(far) as near:
        with pytest.raises(ProtocolViolation, match="can't have come in at"):
            await near.v2(parse("/ip6/::1/tcp/4001"), *near.host.addresses)


@pytest.mark.req("AUTONAT2-03")
@pytest.mark.misbehave
async def test_v2_a_nonce_is_not_guessed() -> None:
    far, made = dialling(DialStatus.OK, nonce=12345)
    async with asker(far) as near:
        with pytest.raises(StreamReset):
            await near.v2()
        for nonce in range(200):
            with pytest.raises(StreamReset):
                await leave(made[0], nonce)


@pytest.mark.req("AUTONAT2-03")
@pytest.mark.misbehave
async def test_v2_the_connection_that_we_made_proves_nothing() -> None:
    async def serve(stream: Stream) -> None:
        request = v2.decode(await stream.read_frame(8192))
        assert isinstance(request, DialRequest)
        with pytest.raises(StreamReset):
            await leave(stream.connection, request.nonce)
        stream.write_frame(DialResponse(Status.OK, 0, DialStatus.OK).encode())

    async with asker(liar(DIAL_REQUEST, serve)) as near:
        with pytest.raises(ProtocolViolation):
            await near.v2()


@pytest.mark.req("AUTONAT2-03")
@pytest.mark.misbehave
async def test_v2_a_connection_that_was_there_before_proves_nothing() -> None:
    prepared: list[Connection] = []

    async def serve(stream: Stream) -> None:
        request = v2.decode(await stream.read_frame(8192))
        assert isinstance(request, DialRequest)
        with pytest.raises(StreamReset):
            await leave(prepared[0], request.nonce)
        stream.write_frame(DialResponse(Status.OK, 0, DialStatus.OK).encode())

    async with asker(liar(DIAL_REQUEST, serve)) as near:
        prepared.append(await near.far.dial_direct(near.host.peer_id, near.host.addresses, timeout=2.0))
        with pytest.raises(ProtocolViolation):
            await near.v2()


@pytest.mark.req("AUTONAT2-03")
async def test_v2_any_peer_may_bring_the_nonce_but_once() -> None:
    async with BaseHost() as helper:

        async def serve(stream: Stream) -> None:
            request = v2.decode(await stream.read_frame(8192))
            assert isinstance(request, DialRequest)
            target = near.host.full_addresses[0]
            connection = await helper.connect(target)
            await leave(connection, request.nonce)
            with pytest.raises(StreamReset):
                await leave(connection, request.nonce)
            stream.write_frame(DialResponse(Status.OK, 0, DialStatus.OK).encode())

        async with asker(liar(DIAL_REQUEST, serve)) as near:
            assert await near.v2() == [Verdict(near.host.addresses[0], reachable=True)]


@pytest.mark.req("AUTONAT2-01")
@pytest.mark.misbehave
@pytest.mark.parametrize("data", [b"\x01\x09", b"\xff\x7f", b"\x09\x09"])
async def test_a_dial_back_that_says_nothing_is_reset(data: bytes) -> None:
    async with asker(BaseHost(listen=[at(2)])) as near:
        connection = await near.far.dial_direct(near.host.peer_id, near.host.addresses, timeout=2.0)
        stream = await connection.open_stream(DIAL_BACK)
        stream.timeout = 2.0
        stream.write(data)
        with pytest.raises(StreamReset):
            await stream.read()


async def test_a_question_that_is_cancelled_leaves_no_nonce() -> None:
    async with asker(saying(DIAL_REQUEST)) as near:
        question = asyncio.ensure_future(near.v2())
        await until(lambda: len(near.backs))
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
        assert len(near.backs) == 0
