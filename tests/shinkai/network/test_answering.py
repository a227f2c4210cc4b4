"""Requests that become jobs, and what answers them."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.services.standard import Host
from p2pstack.shinkai import json_form
from p2pstack.shinkai.limits.bandwidth import Bandwidth
from p2pstack.shinkai.network.answering import JobAnswers
from p2pstack.shinkai.network.config import DirectConfig
from p2pstack.shinkai.network.direct import DirectMessages, Held
from p2pstack.shinkai.network.handler import Received
from p2pstack.shinkai.network.turns import Turns
from tests.aio.shell import until
from tests.shinkai.network.nodes import KEYS, ack, handler_of, text

PEER = KEYS["alice"].signature.peer_id


async def nothing(_: PeerId, __: Held) -> bytes:
    return b""


def owner() -> DirectMessages:
    """Whose bytes are counted."""
    config = DirectConfig()
    return DirectMessages(
        Host(),
        config,
        admit=lambda _: True,
        answer=nothing,
        turns=Turns(Bandwidth(), config.max_outbound),
        incoming=Bandwidth(),
        counters=Counter(),
    )


def held(data: bytes, direct: DirectMessages) -> Held:
    request = Held(direct)
    request.add(data)
    return request


@pytest.mark.req("SHK-71", "SHK-75")
async def test_a_request_is_answered_with_what_its_job_was_and_holds_no_memory_meanwhile(tmp_path: Path) -> None:
    told: list[Received] = []
    async with handler_of("bob", tmp_path) as handler:
        answers = JobAnswers(handler, lambda _, received: told.append(received))
        direct = owner()
        asking = asyncio.create_task(answers.answer(PEER, held(json_form.encode(text("hello")), direct)))
        await until(lambda: told)
        assert told[0].accepted
        assert direct.held == 0
        assert handler.answer(told[0].key, ack()) == 1
        assert await asking == json_form.encode(ack())
        assert len(handler.responses) == 0


@pytest.mark.req("SHK-71")
async def test_what_is_no_job_is_answered_with_nothing(tmp_path: Path) -> None:
    told: list[Received] = []
    async with handler_of("bob", tmp_path) as handler:
        answers = JobAnswers(handler, lambda _, received: told.append(received))
        assert await answers.answer(PEER, held(b"{}", owner())) == b""
        assert [received.reason for received in told] == ["malformed"]


@pytest.mark.req("SHK-75")
async def test_who_gives_up_leaves_no_request_behind(tmp_path: Path) -> None:
    async with handler_of("bob", tmp_path) as handler:
        answers = JobAnswers(handler, lambda *_: None)
        asking = asyncio.create_task(answers.answer(PEER, held(json_form.encode(text("hello")), owner())))
        await until(lambda: len(handler.responses) == 1)
        asking.cancel()
        await asyncio.wait([asking])
        assert len(handler.responses) == 0
