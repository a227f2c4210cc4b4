"""What all services have in common: started once, stopped once, by the host or by a block."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import HostClosed
from p2pstack.host.host import BaseHost
from p2pstack.services.life import HostService


class Noted(HostService):
    _label = "the test's service"

    def __init__(self, host: BaseHost, *, fails: bool = False) -> None:
        self.notes: list[str] = []
        self.fails = fails
        self.may_end = asyncio.Event()
        self.may_end.set()
        super().__init__(host)

    async def _begin(self) -> None:
        self.notes.append("begin")

    async def _end(self) -> None:
        await self.may_end.wait()
        self.notes.append("end")
        if self.fails:
            raise HostClosed("it can't end")


async def test_it_lives_with_its_host() -> None:
    host = BaseHost()
    service = Noted(host)
    async with host:
        await service.start()
        assert service.notes == ["begin"]
    assert service.notes == ["begin", "end"]
    with pytest.raises(HostClosed, match="the test's service was stopped"):
        await service.start()


async def test_or_for_a_block_of_its_own() -> None:
    async with BaseHost() as host:
        async with Noted(host) as service:
            assert service in host.services
        assert service not in host.services
    assert service.notes == ["begin", "end"]


async def test_who_stops_it_meanwhile_waits_for_the_end() -> None:
    async with BaseHost() as host:
        service = Noted(host)
        service.may_end.clear()
        first, second = asyncio.ensure_future(service.stop()), asyncio.ensure_future(service.stop())
        await asyncio.sleep(0)
        assert not second.done()
        service.may_end.set()
        await asyncio.gather(first, second)
    assert service.notes == ["end"]


async def test_one_that_fails_to_end_has_ended_nevertheless() -> None:
    async with BaseHost() as host:
        service = Noted(host, fails=True)
        with pytest.raises(HostClosed, match="can't end"):
            await service.stop()
        async with asyncio.timeout(1):
            await service.stop()
