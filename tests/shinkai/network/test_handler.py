"""What comes in is checked and made a job, once, whoever sends it and whatever it is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2pstack.errors import LocalError
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai import json_form
from p2pstack.shinkai.addresses import synthetic_address
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.network.config import HandlerConfig
from p2pstack.shinkai.network.handler import Arrival, ShinkaiMessageHandler, Via
from p2pstack.shinkai.network.responses import ResponseChannel
from p2pstack.shinkai.storage.config import JobConfig
from p2pstack.shinkai.storage.replay import message_key
from p2pstack.shinkai.times import format_time
from tests.shinkai.network.nodes import KEYS, NOW, ack, ended, handler_of, name_of, text

PEER = KEYS["alice"].signature.peer_id
DAY = 86_400.0


async def given_to(handler: ShinkaiMessageHandler, content: bytes | ShinkaiMessage, via: Via = Via.GOSSIP) -> str:
    return (await handler.handle(PEER, content, via=via)).reason


@pytest.mark.req("SHK-73")
async def test_a_job_has_the_fields_of_the_originals(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path, receiver=Endpoint("0.0.0.0", 1234)) as handler:
        message = text("hello")
        spaced = b" " + json.dumps(json.loads(json_form.encode(message))).encode() + b"\n"
        received = await handler.handle(PEER, spaced, via=Via.GOSSIP)
        assert received.accepted
        assert received.key == message_key(message)
        (entry,) = await handler.jobs.take()
        assert entry.key == received.key
        assert entry.job.content == json_form.encode(message)
        assert entry.job.receiver_address == Endpoint("0.0.0.0", 1234)
        assert entry.job.unsafe_sender_address == Endpoint(*synthetic_address(PEER))
        assert entry.job.date_created == NOW
        assert await handler.handle(Endpoint("192.0.2.1", 99), text("by TCP"), via=Via.TCP)
        (entry,) = await handler.jobs.take()
        assert entry.job.unsafe_sender_address == Endpoint("192.0.2.1", 99)


@pytest.mark.req("SHK-73")
async def test_where_a_peer_is_can_be_told_and_is_bounded(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path, config=HandlerConfig(max_mappings=2)) as handler:
        peers = [KEYS[who].signature.peer_id for who in ("alice", "bob", "carol")]
        for number, peer in enumerate(peers):
            handler.add_peer_mapping(peer, Endpoint("192.0.2.1", number))
        assert handler.address_of(peers[0]) == Endpoint(*synthetic_address(peers[0]))
        assert handler.address_of(peers[2]) == Endpoint("192.0.2.1", 2)
        assert handler.remove_peer_mapping(peers[2])
        assert not handler.remove_peer_mapping(peers[2])


@pytest.mark.req("SHK-74")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 200_000, "oversized"),
        (b"[" * 1_000 + b"]" * 1_000, "too-deep"),
        (b" " * 2_000_000, "oversized"),
        (b'{"body":' + b'"x' * 10 + b"}", "malformed"),
        (json_form.encode(text("for somebody else", recipient="carol")), "not-for-us"),
        (json_form.encode(text("no time", time="yesterday")), "invalid-time"),
        (json_form.encode(text("old", time=format_time(NOW - DAY))), "too-old"),
        (json_form.encode(text("ahead", time=format_time(NOW + 601))), "from-the-future"),
    ],
    ids=["empty", "no UTF-8", "bomb", "deep", "long", "cut", "not ours", "no time", "old", "ahead"],
)
async def test_what_is_refused_has_a_reason_and_is_counted(tmp_path: Path, content: bytes, reason: str) -> None:
    async with handler_of("bob", tmp_path) as handler:
        assert await given_to(handler, content) == reason
        assert handler.counters == {reason: 1}
        assert await handler.jobs.take() == []
        assert await given_to(handler, text("nothing else is disturbed")) == ""


@pytest.mark.req("SHK-74")
async def test_names_are_ours_without_regard_to_case_and_profile_and_there_may_be_more(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path, also=[name_of("carol")]) as handler:
        message = text("x")
        external = message.external_metadata
        for recipient, reason in (
            ("@@BOB.shinkai/main", ""),
            ("bob", ""),
            ("@@carol.shinkai", ""),
            ("@@dave.shinkai", "not-for-us"),
            ("not a name", "invalid-name"),
        ):
            changed = replace(message, external_metadata=replace(external, recipient=recipient))
            assert await given_to(handler, changed) == reason


@pytest.mark.req("SHK-74")
async def test_time_may_be_left_out_of_account(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path, config=HandlerConfig(check_time=False)) as handler:
        assert await given_to(handler, text("no time", time="yesterday")) == ""


@pytest.mark.req("SHK-74")
async def test_a_message_is_too_old_before_its_key_is_forgotten(tmp_path: Path) -> None:
    async with handler_of(
        "bob", tmp_path, jobs=JobConfig(replay_window=100), config=HandlerConfig(max_ahead=10, echo_window=1e-9)
    ) as handler:
        message = text("x", time=format_time(NOW + 9))
        assert await given_to(handler, message) == ""
        await handler.jobs.done(message_key(message))
        for later, reason in ((98, "duplicate"), (99.5, "too-old"), (101, "too-old")):
            handler._clock = lambda later=later: NOW + later  # type: ignore[misc]
            handler.jobs._clock = handler._clock
            assert await given_to(handler, message) == reason


@pytest.mark.req("SHK-75")
async def test_copies_at_once_are_echoes_and_later_ones_ask_for_an_acknowledgement(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path) as handler:
        asked: list[Arrival] = []

        async def again(arrival: Arrival) -> None:
            asked.append(arrival)

        handler.on_duplicate = again
        message = text("x")
        first, second = await asyncio.gather(given_to(handler, message), given_to(handler, message))
        assert (first, second) == ("", "duplicate")
        assert asked == []
        handler._echoes.clear()
        assert await given_to(handler, message) == "duplicate"
        assert [(arrival.key, arrival.via) for arrival in asked] == [(message_key(message), Via.GOSSIP)]
        assert handler.counters == {"accepted": 1, "duplicate": 2}


@pytest.mark.req("SHK-75")
async def test_all_requests_with_a_message_are_answered_by_its_job(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path) as handler:
        channels = [ResponseChannel(PEER) for _ in range(3)]
        keys = {(await handler.handle(PEER, text("x"), via=Via.DIRECT, channel=channel)).key for channel in channels}
        assert len(keys) == 1
        assert handler.answer(keys.pop(), ack()) == 3
        assert [await channel.wait() for channel in channels] == [ack()] * 3
        assert len(handler.responses) == 0


@pytest.mark.req("SHK-75")
async def test_a_request_that_was_done_long_ago_is_answered_by_the_node(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path) as handler:

        async def again(arrival: Arrival) -> ShinkaiMessage | None:
            if arrival.via is Via.TCP:
                raise LocalError("no way back")
            return ack()

        handler.on_duplicate = again
        assert await given_to(handler, text("x")) == ""
        channel = ResponseChannel(PEER)
        assert (await handler.handle(PEER, text("x"), via=Via.DIRECT, channel=channel)).reason == "duplicate"
        assert await channel.wait() == ack()
        handler._echoes.clear()
        assert await given_to(handler, text("x"), Via.TCP) == "duplicate"


@pytest.mark.req("SHK-75")
async def test_too_many_open_requests_are_taken_and_get_nothing(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path, config=HandlerConfig(max_responses=1)) as handler:
        waiting, late = ResponseChannel(PEER), ResponseChannel(PEER)
        assert (await handler.handle(PEER, text("a"), via=Via.DIRECT, channel=waiting)).accepted
        assert (await handler.handle(PEER, text("b"), via=Via.DIRECT, channel=late)).accepted
        assert await late.wait() is None
        assert waiting.open
        assert handler.counters["responses-full"] == 1


@pytest.mark.req("SHK-74")
async def test_a_queue_that_takes_nothing_costs_the_message_alone(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path, jobs=JobConfig(max_rows=1)) as handler:
        assert await given_to(handler, text("a")) == ""
        channel = ResponseChannel(PEER)
        received = await handler.handle(PEER, text("b"), via=Via.DIRECT, channel=channel)
        assert (received.reason, received.key) == ("queue-full", "")
        assert await channel.wait() is None
        await handler.jobs.done(message_key(text("a")))
        assert await given_to(handler, text("b")) == ""
        await handler.jobs._database.close()
        assert await given_to(handler, text("c")) == "not-stored"


async def test_a_cancelled_handling_leaves_nothing(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path) as handler:
        channel = ResponseChannel(PEER)
        task = asyncio.create_task(handler.handle(PEER, text("a"), via=Via.DIRECT, channel=channel))
        await asyncio.sleep(0)
        await ended(task)
        assert len(handler.responses) == 0
        assert not channel.open
        assert await given_to(handler, text("a")) in {"", "duplicate"}


@pytest.mark.req("SHK-73")
async def test_a_peer_that_floods_is_counted_and_others_are_not_touched(tmp_path: Path) -> None:
    config = HandlerConfig(messages_per_second=1e-6, message_burst=3, max_tracked=2, max_echoes=1)
    async with handler_of("bob", tmp_path, config=config) as handler:
        assert [handler.admit(PEER) for _ in range(5)] == [True, True, True, False, False]
        assert handler.admit("192.0.2.1")
        assert handler.counters == {"flooding": 2}
        for words in "ab":
            assert await given_to(handler, text(words)) == ""
        assert len(handler._echoes) == 1


@pytest.mark.req("SHK-74")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text().map(str.encode) | st.just(json_form.encode(text("x"))))
async def test_no_bytes_make_it_raise(tmp_path: Path, content: bytes) -> None:
    async with handler_of("bob", tmp_path) as handler:
        received = await handler.handle(PeerId.from_bytes(PEER.to_bytes()), content, via=Via.GOSSIP)
        assert received.accepted or handler.counters[received.reason] == 1
