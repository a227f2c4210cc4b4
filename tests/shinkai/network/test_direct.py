"""Requests: what is too long, too slow or too many loses its stream, and disturbs nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, DialError, LimitExceeded, StreamReset
from p2pstack.services.standard import Host
from p2pstack.shinkai import json_form
from p2pstack.shinkai.limits.config import BandwidthConfig
from p2pstack.shinkai.network.config import DirectConfig, HandlerConfig, ManagerConfig
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import MESSAGE_PROTOCOL, Profile
from tests.aio.shell import until
from tests.shinkai.network.nodes import KEYS, LOOPBACK, QUICK, ack, answering, ended, manager_of, text


@contextlib.asynccontextmanager
async def bob_and_a_rogue(folder: Path, **options: Any) -> AsyncIterator[tuple[LibP2PManager, Host]]:
    """A manager that answers what it accepts, and a host that may do to it what it likes."""
    async with manager_of("bob", Profile.HEAD, folder, **options) as bob, Host(listen=[LOOPBACK]) as rogue:
        worker = answering(bob, ack())
        await rogue.connect(bob.addresses[0])
        yield bob, rogue
        await good(bob, rogue)
        await ended(worker)


def limits(**direct: Any) -> ManagerConfig:
    return replace(QUICK, direct=DirectConfig(**direct))


async def begin(rogue: Host, bob: LibP2PManager, data: bytes = b"") -> Stream:
    stream = await rogue.open_stream(bob.peer_id, MESSAGE_PROTOCOL)
    if data:
        stream.write(data)
        await stream.drain()
    return stream


async def whole(rogue: Host, bob: LibP2PManager, data: bytes) -> bytes:
    stream = await begin(rogue, bob, data)
    stream.close_write()
    return await stream.read_to_end(100_000)


async def good(bob: LibP2PManager, rogue: Host) -> None:
    """Bob still answers."""
    question = json_form.encode(text(f"still there? {bob.handler.counters['accepted']}"))
    assert await whole(rogue, bob, question) == json_form.encode(ack())


@pytest.mark.req("SHK-71")
async def test_what_is_no_message_is_answered_with_nothing(tmp_path: Path) -> None:
    async with bob_and_a_rogue(tmp_path) as (bob, rogue):
        for data in (b"", b"\xff" * 1_000, b"[" * 100_000, b"{}", json_form.encode(text("x", recipient="carol"))):
            assert await whole(rogue, bob, data) == b""
        assert bob.handler.counters == {"malformed": 3, "oversized": 1, "not-for-us": 1}


@pytest.mark.req("SHK-71")
async def test_a_request_that_is_too_long_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    async with bob_and_a_rogue(tmp_path) as (bob, rogue):
        with pytest.raises(StreamReset):
            await whole(rogue, bob, b"a" * 1_048_577)
        assert bob.counters["max_request"] == 1
        assert await whole(rogue, bob, b" " * 1_048_576) == b""


@pytest.mark.req("SHK-71")
async def test_requests_that_are_slow_or_never_end_run_out_of_time(tmp_path: Path) -> None:
    async with bob_and_a_rogue(tmp_path, config=limits(timeout=0.3)) as (bob, rogue):
        silent = await begin(rogue, bob, b"{")
        with pytest.raises(StreamReset):
            while True:
                await asyncio.sleep(0)
                silent.write(b" ")
                await silent.drain()
        assert bob.counters["request-timeout"] == 1
        assert bob.usage()["direct.max_memory"].current == 0


@pytest.mark.req("SHK-71")
async def test_one_peer_can_not_have_more_than_its_share_of_streams(tmp_path: Path) -> None:
    async with bob_and_a_rogue(tmp_path, config=limits(max_streams=3)) as (bob, rogue):
        held = [await begin(rogue, bob, b"{") for _ in range(3)]
        await until(lambda: bob.usage()["direct.max_streams"].current == 3)
        async with Host() as second:
            await second.connect(bob.addresses[0])
            await good(bob, second)
        with pytest.raises(StreamReset):
            await whole(rogue, bob, b"{}")
        assert bob.counters["max_streams"] == 1
        for stream in held:
            stream.reset()
        await until(lambda: bob.usage()["direct.max_requests"].current == 0)


@pytest.mark.req("SHK-71")
async def test_a_peer_with_many_connections_has_no_larger_share(tmp_path: Path) -> None:
    async with bob_and_a_rogue(tmp_path, config=limits(max_streams=2)) as (bob, rogue):
        await begin(rogue, bob, b"{")
        extra = await rogue.connect(str(bob.host.bound_addresses[0]))
        for _ in range(2):
            # The one too many may be reset before it is written to.
            with suppress(StreamReset):
                stream = await extra.open_stream(MESSAGE_PROTOCOL)
                stream.write(b"{")
        await until(lambda: bob.counters["max_streams"] == 1)
        await rogue.disconnect(bob.peer_id)
        await until(lambda: bob.usage()["direct.max_requests"].current == 0)
        await rogue.connect(bob.addresses[0])


@pytest.mark.req("SHK-71")
async def test_all_peers_together_are_bounded_in_number_and_memory(tmp_path: Path) -> None:
    config = limits(max_requests=3, max_request=1_048_576, max_memory=1_048_576)
    async with bob_and_a_rogue(tmp_path, config=config) as (bob, rogue):
        held = [await begin(rogue, bob, b"{" * 500_000) for _ in range(2)]
        await until(lambda: bob.usage()["direct.max_memory"].current == 1_000_000)
        with pytest.raises(StreamReset):
            await whole(rogue, bob, b"x" * 60_000)
        assert bob.counters["max_memory"] == 1
        held.append(await begin(rogue, bob, b"{"))
        await until(lambda: bob.usage()["direct.max_requests"].current == 3)
        with pytest.raises(StreamReset):
            await whole(rogue, bob, b"{}")
        assert bob.counters["max_requests"] == 1
        for stream in held:
            stream.reset()
        await until(lambda: bob.usage()["direct.max_requests"].current == 0)


@pytest.mark.req("SHK-71", "SHK-73")
async def test_a_flood_is_refused_without_a_look_and_others_are_served(tmp_path: Path) -> None:
    config = HandlerConfig(messages_per_second=1.0, message_burst=5)
    async with (
        manager_of("bob", Profile.HEAD, tmp_path, handler_config=config) as bob,
        Host() as rogue,
        Host() as other,
    ):
        worker = answering(bob, ack())
        await rogue.connect(bob.addresses[0])
        await other.connect(bob.addresses[0])
        results = await asyncio.gather(*(whole(rogue, bob, b"{}") for _ in range(20)), return_exceptions=True)
        assert sum(isinstance(result, StreamReset) for result in results) >= 14
        assert bob.counters["flooding"] >= 14
        await good(bob, other)
        await ended(worker)


@pytest.mark.req("SHK-71")
async def test_who_sends_more_bytes_than_allowed_is_held_back(tmp_path: Path) -> None:
    slow = BandwidthConfig(per_second=2_000_000.0, burst=100_000)
    async with bob_and_a_rogue(tmp_path, config=replace(QUICK, incoming=slow)) as (bob, rogue):
        started = asyncio.get_running_loop().time()
        assert await whole(rogue, bob, b" " * 400_000) == b""
        assert asyncio.get_running_loop().time() - started > 0.1
        assert bob.counters["throttled"] > 0


@pytest.mark.req("SHK-71")
async def test_a_request_without_an_answer_ends_at_its_deadline(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice, manager_of("bob", Profile.HEAD, tmp_path) as bob:
        with pytest.raises(DeadlineExceeded, match="no answer"):
            await alice.send_direct(bob.peer_id, text("x"), bob.addresses, timeout=0.2)
        assert bob.handler.counters["accepted"] == 1
        assert alice._turns.running == 0
        worker = answering(bob, None)
        assert await alice.send_direct(bob.peer_id, text("y")) is None
        await ended(worker)


@pytest.mark.req("SHK-71")
async def test_what_can_not_be_sent_is_said_at_once(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice:
        somebody = KEYS["carol"].signature.peer_id
        with pytest.raises(LimitExceeded, match="max_request"):
            await alice.send_direct(somebody, text("x" * 1_100_000))
        with pytest.raises(DialError):
            await alice.send_direct(somebody, text("x"))
        with pytest.raises(DialError):
            await alice.send_direct(somebody, text("x"), ["/ip4/127.0.0.1/tcp/1"])


@pytest.mark.req("SHK-71")
async def test_an_answer_that_is_too_long_or_never_ends_is_given_up(tmp_path: Path) -> None:
    config = limits(max_response=1_000)
    async with manager_of("alice", Profile.HEAD, tmp_path, config=config) as alice, Host(listen=[LOOPBACK]) as rogue:

        @rogue.handle(MESSAGE_PROTOCOL)
        async def endless(stream: Stream) -> None:
            while True:
                stream.write(b" " * 10_000)
                await stream.drain()

        with pytest.raises(LimitExceeded, match="max_response"):
            await alice.send_direct(rogue.peer_id, text("x"), rogue.full_addresses)
        assert alice.usage()["direct.max_memory"].current == 0
