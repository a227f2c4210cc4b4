"""Requests that wait for their answers."""

from __future__ import annotations

import pytest

from p2pstack.errors import LimitExceeded
from p2pstack.shinkai.network.responses import ResponseChannel, Responses
from tests.shinkai.network.nodes import KEYS, ack

PEER = KEYS["alice"].signature.peer_id


@pytest.mark.req("SHK-75")
async def test_a_channel_is_answered_once() -> None:
    channel = ResponseChannel(PEER)
    assert channel.open
    assert channel.send(ack())
    assert not channel.send(None)
    assert await channel.wait() == ack()
    closed = ResponseChannel(PEER)
    closed.close()
    assert not closed.open
    assert not closed.send(ack())


@pytest.mark.req("SHK-75")
async def test_channels_are_found_by_key_and_bounded() -> None:
    responses = Responses(2)
    one, two = ResponseChannel(PEER), ResponseChannel(PEER)
    responses.add("k", one)
    responses.add("k", two)
    with pytest.raises(LimitExceeded, match="max_responses"):
        responses.add("l", ResponseChannel(PEER))
    responses.remove("k", one)
    responses.remove("k", one)
    responses.remove("unknown", one)
    assert len(responses) == 1
    assert responses.answer("k", None) == 1
    assert responses.answer("k", None) == 0
    assert await two.wait() is None
    assert one.open
    responses.add("m", one)
    responses.remove("m", one)
    assert len(responses) == 0
