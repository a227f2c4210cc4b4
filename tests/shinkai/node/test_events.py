from __future__ import annotations

import pytest

from p2pstack.shinkai.node import SendState
from p2pstack.shinkai.node.events import MessageAccepted, MessageDelivered, MessageFailed
from tests.shinkai.node.pairs import ALICE, BOB, directory, pair, running


@pytest.mark.req("SHK-80")
async def test_a_delivery_is_told_on_both_sides() -> None:
    async with pair() as (alice, bob):
        there, here = bob.events(MessageAccepted), alice.events(MessageDelivered)
        result = await alice.send_text(BOB, "x")
        accepted, delivered = await anext(there), await anext(here)
        assert isinstance(accepted, MessageAccepted)
        assert isinstance(delivered, MessageDelivered)
        assert accepted.key == delivered.key == result.key
        assert (accepted.sender, delivered.recipient, delivered.via) == (ALICE, BOB, "libp2p")


async def test_a_failure_is_told_with_its_result() -> None:
    async with running(ALICE, directory()) as alice:
        events = alice.events(MessageFailed)
        result = await alice.send_text(BOB, "x")
        event = await anext(events)
        assert isinstance(event, MessageFailed)
        assert event.result == result
        assert event.result.state is SendState.QUEUED
