from __future__ import annotations

import asyncio

import pytest

from p2pstack.aio.config import ShellConfig
from p2pstack.aio.runtime import Runtime
from p2pstack.testing.pair import make_endpoint
from tests.aio.shell import Keeper, Side, linked, until


async def test_it_belongs_to_the_loop_that_runs() -> None:
    runtime = Runtime(Keeper(), make_endpoint(1), ShellConfig())
    assert runtime.loop is asyncio.get_running_loop()
    assert runtime.spinner is None
    assert runtime.trace is None
    assert runtime.handlers == {}


def test_without_a_loop_there_is_none() -> None:
    with pytest.raises(RuntimeError):
        Runtime(Keeper(), make_endpoint(1), ShellConfig())


async def test_all_connections_share_one_receive_buffer() -> None:
    async with linked() as one:
        assert one.outbound.buffer is one.client.runtime.buffer
        assert one.inbound.buffer is one.server.runtime.buffer


async def test_a_connection_spins_after_each_receive_where_the_configuration_says_so() -> None:
    server = Side(2, config=ShellConfig(spin_seconds=0.001))
    touched: list[float] = []
    assert server.runtime.spinner is not None
    server.runtime.spinner._yield = lambda: touched.append(1)
    async with linked(server=server) as link:
        near, far = await link.streams()
        touched.clear()
        near.write(b"x")
        assert await far.read() == b"x"
        await until(lambda: touched)


async def test_a_trace_sink_gets_the_events_of_every_connection() -> None:
    events: list[dict[str, object]] = []
    server = Side(2, trace=lambda event: events.append(dict(event)))
    async with linked(server=server) as link:
        near, far = await link.streams()
        near.write(b"12345")
        await far.read_exactly(5)
        number = link.inbound.id
        await link.inbound.close()
    assert {event["connection"] for event in events} == {number}
    assert [event["name"] for event in events if event["name"] != "frame"] == ["opened", "protocol", "closed"]
    frames = [event for event in events if event["name"] == "frame"]
    assert any(event["type"] == "data" and event["direction"] == "in" and event["length"] == 5 for event in frames)
    assert any(event["type"] == "go-away" and event["direction"] == "out" for event in frames)
    times = [float(str(event["time"])) for event in events]
    assert times == sorted(times)
    assert times[0] >= 0
