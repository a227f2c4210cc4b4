from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import IPv4Address

import pytest

from p2pstack.errors import DecodeError
from p2pstack.services.port_mapping import asking
from p2pstack.services.port_mapping.asking import MAX_WAITING, ask, local_address
from p2pstack.services.port_mapping.gateway import PortMappingError
from p2pstack.services.port_mapping.pcp import PORT, decode_external, encode_external
from tests.services.port_mapping.gateways import OUTSIDE, on_linux, router

pytestmark = on_linux


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_REPEAT", 0.02)


async def test_a_question_and_its_answer() -> None:
    async with router() as gateway:
        assert await ask((gateway.address, PORT), encode_external(), decode_external, 5) == OUTSIDE
        assert gateway.asked == ["address"]


@pytest.mark.req("PMAP-04")
async def test_it_is_asked_again() -> None:
    async with router() as gateway:
        gateway.deaf = 3
        assert await ask((gateway.address, PORT), encode_external(), decode_external, 5) == OUTSIDE
        assert gateway.asked[:4] == ["overheard"] * 3 + ["address"]


@pytest.mark.misbehave
@pytest.mark.req("PMAP-01")
async def test_what_is_no_answer_is_passed_over() -> None:
    async with router() as gateway:
        gateway.noise = [b"", b"\0", b"nonsense", bytes(2_000)]
        assert await ask((gateway.address, PORT), encode_external(), decode_external, 5) == OUTSIDE
        gateway.noise = [b"nonsense"] * MAX_WAITING * 4
        with suppress(PortMappingError):  # the answer may be among those that are dropped
            assert await ask((gateway.address, PORT), encode_external(), decode_external, 0.5) == OUTSIDE


@pytest.mark.req("PMAP-04")
async def test_silence_ends() -> None:
    async with router() as gateway:
        gateway.deaf = 1_000
        with pytest.raises(PortMappingError, match="no answer"):
            await ask((gateway.address, PORT), encode_external(), decode_external, 0.2)
        assert 3 <= len(gateway.asked) <= 5, "0, 20, 60 and 140 ms"


async def test_nobody_there_is_known_at_once() -> None:
    async with router() as gateway:
        address = gateway.address
    with pytest.raises(PortMappingError, match="refused"):
        await ask((address, PORT), encode_external(), decode_external, 20)


def test_no_way_there() -> None:
    with pytest.raises(PortMappingError):
        local_address(("255.255.255.255", PORT))


def test_from_where_it_is_asked() -> None:
    assert local_address(("127.0.0.1", PORT)) == IPv4Address("127.0.0.1")


async def test_it_can_be_given_up() -> None:
    async with router() as gateway:
        gateway.deaf = 1_000
        task = asyncio.create_task(ask((gateway.address, PORT), encode_external(), decode_external, 20))
        await asyncio.wait_for(gateway.news.wait(), 5)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def test_an_answer_is_one_that_reads() -> None:
    with pytest.raises(DecodeError):
        decode_external(b"nonsense")
