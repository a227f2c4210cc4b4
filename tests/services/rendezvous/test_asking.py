"""One question to a point that answers as it likes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.errors import (
    DeadlineExceeded,
    P2PError,
    ProtocolNotSupported,
    ProtocolViolation,
    StreamEOF,
)
from p2pstack.host.host import BaseHost
from p2pstack.rendezvous.messages import (
    Discover,
    DiscoverResponse,
    Message,
    Register,
    RegisterResponse,
    Unregister,
)
from p2pstack.rendezvous.status import Status
from p2pstack.services.rendezvous.asking import Asker
from p2pstack.services.rendezvous.errors import RendezvousRefused
from p2pstack.wire.framing import encode_frame
from tests.host.hosts import key
from tests.services.hosts import LOOPBACK
from tests.services.rendezvous.points import FakePoint, quick

REGISTER = Register(b"a", b"record")


@contextlib.asynccontextmanager
async def asking(fake: FakePoint, **config: Any) -> AsyncIterator[tuple[Asker, Connection]]:
    async with fake.host, BaseHost(key(1)) as host:
        connection = await host.connect(fake.host.full_addresses[0])
        yield Asker(host, quick(**config)), connection


@pytest.mark.req("RDV-01", "RDV-05", "RDV-07")
async def test_good_answers() -> None:
    found = DiscoverResponse(Status.OK, (REGISTER,), b"cookie")
    fake = FakePoint(RegisterResponse(Status.OK, 8_000), found, b"")
    async with asking(fake) as (asker, connection):
        assert await asker.register(connection, REGISTER) == 8_000
        assert await asker.discover(connection, Discover(b"a")) == found
        await asker.unregister(connection, Unregister(b"a"))
        assert fake.requests == [REGISTER, Discover(b"a"), Unregister(b"a")], "it returns when the point has read it"


@pytest.mark.misbehave
@pytest.mark.req("RDV-01", "RDV-02")
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (RegisterResponse(Status.E_UNAVAILABLE, text="full"), RendezvousRefused),
        (RegisterResponse(299), RendezvousRefused),
        (RegisterResponse(Status.OK, 0), ProtocolViolation),
        (DiscoverResponse(Status.OK, (), b"c"), ProtocolViolation),
        (REGISTER, ProtocolViolation),
        (encode_frame(b"\x08\x09"), ProtocolViolation),
        (b"\xff\xff\xff\xff\x0f", ProtocolViolation),
        (b"\x05\x08", StreamEOF),
        (b"", StreamEOF),
    ],
)
async def test_other_answers_to_a_registration(answer: Message | bytes, error: type[P2PError]) -> None:
    async with asking(FakePoint(answer)) as (asker, connection):
        with pytest.raises(error):
            await asker.register(connection, REGISTER)
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("RDV-02")
async def test_a_discovery_may_be_refused() -> None:
    async with asking(FakePoint(DiscoverResponse(Status.E_INVALID_COOKIE, text="no"))) as (asker, connection):
        with pytest.raises(RendezvousRefused, match="E_INVALID_COOKIE"):
            await asker.discover(connection, Discover(b"a"))


@pytest.mark.misbehave
async def test_a_point_that_says_nothing() -> None:
    async with asking(FakePoint(None), timeout=0.1) as (asker, connection):
        with pytest.raises(DeadlineExceeded):
            await asker.discover(connection, Discover(b"a"))


@pytest.mark.misbehave
async def test_an_answer_that_is_too_long() -> None:
    answer = encode_frame(bytes(2_000))
    async with asking(FakePoint(answer), max_answer=1_999) as (asker, connection):
        with pytest.raises(ProtocolViolation) as caught:
            await asker.discover(connection, Discover(b"a"))
        assert caught.value.requirement == "GEN-02"


async def test_a_peer_that_is_no_point() -> None:
    async with BaseHost(key(9), listen=[LOOPBACK]) as other, BaseHost(key(1)) as host:
        connection = await host.connect(other.full_addresses[0])
        with pytest.raises(ProtocolNotSupported):
            await Asker(host, quick()).discover(connection, Discover(b"a"))
