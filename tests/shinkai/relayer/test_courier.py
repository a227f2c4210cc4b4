"""Requests that pass a relay, with hosts in the place of nodes."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from p2pstack.errors import StreamReset
from p2pstack.shinkai import json_form, signatures
from p2pstack.shinkai.limits.config import BandwidthConfig
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.network.config import DirectConfig
from p2pstack.shinkai.network.profiles import MESSAGE_PROTOCOL
from p2pstack.shinkai.node.acks import acknowledged_key
from p2pstack.shinkai.node.stages import open_message, peer_keys
from p2pstack.shinkai.storage.replay import message_key
from tests.aio.shell import until
from tests.shinkai.relayer.people import (
    ALICE,
    BOB,
    CAROL,
    LOCAL,
    QUICK,
    RELAY,
    ack,
    keys,
    letter,
    local_ack,
    local_keys,
    local_letter,
    member,
    record,
    relaying,
    written,
)


def acknowledges(answer: ShinkaiMessage, message: ShinkaiMessage, recipient: str) -> None:
    """The relay has signed that a message is where it should be."""
    signatures.verify_outer(answer, keys(RELAY).signature.public_key)
    external = answer.external_metadata
    assert (external.sender, external.recipient) == (RELAY, recipient)
    assert answer.content == "ACK"
    assert acknowledged_key(answer) == message_key(message)


@pytest.mark.req("SHK-104", "SHK-107")
async def test_a_message_and_its_answer_pass_as_they_are() -> None:
    reply = json_form.encode(ack(BOB, ALICE))
    async with relaying() as relayer, member(relayer, ALICE) as alice, member(relayer, BOB, answer=reply) as bob:
        await until(lambda: len(relayer.registrations) == 2)
        # White space shows that nothing was written anew.
        data = b" " + json_form.encode(letter(ALICE, BOB)) + b"\n"
        assert await alice.ask(data) == reply
        assert bob.asked == [data]
        assert relayer.counters["forwarded"] == relayer.counters["answered"] == 1
        assert relayer.counters["bytes"] == len(data) + len(reply)


@pytest.mark.req("SHK-101", "SHK-104")
async def test_a_message_waits_for_its_senders_registration() -> None:
    async with relaying() as relayer, member(relayer, BOB, answer=ack(BOB, ALICE)):
        await until(lambda: len(relayer.registrations) == 1)
        async with member(relayer, ALICE) as alice:  # which sends before anybody has looked at who it is
            assert (await alice.told(letter(ALICE, BOB))).content == "ACK"


@pytest.mark.req("SHK-105", "SHK-107")
async def test_a_node_without_a_name_sends_and_is_acknowledged_by_the_relay() -> None:
    async with (
        relaying() as relayer,
        member(relayer, LOCAL, local_keys()) as first,
        member(relayer, BOB, answer=ack(BOB, RELAY)) as bob,
    ):
        await until(lambda: len(relayer.registrations) == 2)
        message = local_letter(BOB, "from nobody")
        acknowledges(await first.told(message), message, LOCAL)
        [data] = bob.asked
        received = json_form.decode(data)
        assert received.external_metadata.intra_sender == str(first.peer)
        arrived = open_message(received, record(RELAY), keys(BOB).encryption, peer_keys(received, record(RELAY)))
        assert arrived.message.content == "from nobody"


@pytest.mark.req("SHK-106", "SHK-107")
async def test_a_node_without_a_name_is_answered_and_the_sender_gets_the_relays_word() -> None:
    async with (
        relaying() as relayer,
        member(relayer, LOCAL, local_keys(), answer=local_ack(RELAY)) as first,
        member(relayer, BOB) as bob,
    ):
        await until(lambda: len(relayer.registrations) == 2)
        made = written(
            *(keys(BOB), BOB, RELAY, "dear nobody"),
            intra_sender=str(first.peer),
            other=local_keys().encryption.public.to_hex(),
        )
        message = made.encrypt_body_for(keys(RELAY).encryption.public).build()
        acknowledges(await bob.told(message), message, BOB)
        received = json_form.decode(first.asked[0])
        arrived = open_message(received, record(RELAY), local_keys().encryption, peer_keys(received, record(RELAY)))
        assert arrived.message.content == "dear nobody"
        assert received.external_metadata.intra_sender == BOB


@pytest.mark.req("SHK-106", "SHK-107")
async def test_an_answer_that_says_something_reaches_the_node_without_a_name() -> None:
    own = local_keys()
    made = written(
        *(keys(BOB), BOB, RELAY, "what I have"),
        intra_sender=str(own.signature.peer_id),
        other=own.encryption.public.to_hex(),
    )
    reply = made.encrypt_body_for(keys(RELAY).encryption.public).build()
    async with (
        relaying() as relayer,
        member(relayer, LOCAL, own) as first,
        member(relayer, BOB, answer=reply),
    ):
        await until(lambda: len(relayer.registrations) == 2)
        answer = await first.told(local_letter(BOB))
        arrived = open_message(answer, record(RELAY), own.encryption, peer_keys(answer, record(RELAY)))
        assert arrived.message.content == "what I have"


@pytest.mark.req("SHK-107")
async def test_an_answer_of_a_node_without_a_name_comes_back_in_the_relays() -> None:
    own = local_keys()
    async with (
        relaying() as relayer,
        member(relayer, LOCAL, own, answer=local_ack(BOB)) as first,
        member(relayer, BOB) as bob,
    ):
        await until(lambda: len(relayer.registrations) == 2)
        made = written(
            *(keys(BOB), BOB, RELAY), intra_sender=str(first.peer), other=own.encryption.public.to_hex()
        ).encrypt_body_for(keys(RELAY).encryption.public)
        answer = await bob.told(made.build())
        signatures.verify_outer(answer, keys(RELAY).signature.public_key)
        assert answer.external_metadata.intra_sender == str(first.peer)


@pytest.mark.req("SHK-107")
async def test_what_is_for_the_relay_is_acknowledged() -> None:
    async with relaying() as relayer, member(relayer, ALICE) as alice, member(relayer, LOCAL, local_keys()) as first:
        message = letter(ALICE, RELAY, "are you well?")
        acknowledges(await alice.told(message), message, ALICE)
        message = local_letter(RELAY, "and you?")
        acknowledges(await first.told(message), message, LOCAL)
        plain = written(local_keys(), LOCAL, RELAY, "in the open").build()
        acknowledges(await first.told(plain), plain, LOCAL)
        assert relayer.counters["for-us"] == 3
        # As the original, an ACK and a Ping are answered with nothing.
        assert await alice.ask(ack(ALICE, RELAY)) == b""
        assert relayer.counters["for-us"] == 4


@pytest.mark.req("SHK-103", "SHK-107")
async def test_what_is_signed_by_others_is_not_taken() -> None:
    async with relaying() as relayer, member(relayer, ALICE) as alice, member(relayer, LOCAL, local_keys()) as first:
        forged = written(keys(CAROL), ALICE, RELAY).build()
        assert await alice.ask(forged) == b""
        async with member(relayer, BOB) as bob:
            await until(lambda: len(relayer.registrations) == 3)
            assert await first.ask(local_letter(BOB, number=101)) == b""
            made = written(
                *(keys(CAROL), BOB, RELAY),
                intra_sender=str(first.peer),
                other=local_keys().encryption.public.to_hex(),
            )
            assert await bob.ask(made.build()) == b""
        assert relayer.counters["refused.bad-signature"] == 3
        assert first.asked == []


@pytest.mark.req("SHK-104", "SHK-107")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "refused.no-answer"),
        (b"[]", "answer-refused.malformed"),
        (b"\xff" * 1_000, "answer-refused.malformed"),
        (ack(CAROL, ALICE), "answer-refused.not-the-responder"),
        (written(keys(CAROL), BOB, RELAY).build(), "answer-refused.bad-signature"),
        (written(keys(BOB), BOB, RELAY, intra_sender="main").build(), "answer-refused.bad-intra-sender"),
    ],
)
async def test_answers_that_are_none(answer: bytes | ShinkaiMessage, reason: str) -> None:
    async with relaying() as relayer, member(relayer, ALICE) as alice, member(relayer, BOB, answer=answer):
        await until(lambda: len(relayer.registrations) == 2)
        assert await alice.ask(letter(ALICE, BOB)) == b""
        assert relayer.counters[reason] == 1


@pytest.mark.req("SHK-103", "SHK-104")
async def test_requests_that_are_refused_by_name() -> None:
    async with relaying() as relayer, member(relayer, ALICE) as alice, member(relayer, BOB, answer=ack(BOB, ALICE)):
        await until(lambda: len(relayer.registrations) == 2)
        wanted = {
            "malformed": b"\xff\xfe",
            "oversized": b"[" * 70_000,
            "not-registered": letter(ALICE, CAROL),
            "to-itself": letter(ALICE, ALICE),
            "not-the-sender": letter(BOB, ALICE),
            "bad-intra-sender": letter(ALICE, RELAY, intra_sender="main"),
            "invalid-name": replace(
                letter(ALICE, BOB),
                external_metadata=replace(letter(ALICE, BOB).external_metadata, recipient="@@a-b"),
            ),
        }
        for reason, data in wanted.items():
            assert await alice.ask(data) == b"", reason
        refused = {name: n for name, n in relayer.counters.items() if name.startswith("refused.")}
        assert refused == {f"refused.{reason}": 1 for reason in wanted}
        assert (await alice.told(letter(ALICE, BOB))).content == "ACK"


@pytest.mark.req("SHK-103")
async def test_a_stranger_is_not_served() -> None:
    async with (
        relaying() as relayer,
        member(relayer, ALICE, local_keys(), agent="kubo/0.30.0") as stranger,
        member(relayer, BOB, answer=ack(BOB, ALICE)) as bob,
    ):
        await until(lambda: len(relayer.registrations) == 1)
        assert await stranger.ask(letter(ALICE, BOB)) == b""
        assert relayer.counters["refused.unregistered"] == 1
        assert bob.asked == []


@pytest.mark.req("SHK-104")
async def test_no_message_goes_in_a_circle() -> None:
    """A second relay that is registered with the first one, by a name of its own, can hand nothing back."""
    async with relaying() as relayer, member(relayer, ALICE) as alice, member(relayer, CAROL) as other_relay:
        await until(lambda: len(relayer.registrations) == 2)
        message = letter(ALICE, CAROL)
        await alice.ask(message)
        assert await other_relay.ask(other_relay.asked[0]) == b""
        assert relayer.counters["refused.not-the-sender"] == 1
        assert relayer.counters["forwarded"] == 1


@pytest.mark.req("SHK-104")
async def test_who_has_left_is_not_dialled() -> None:
    async with relaying() as relayer, member(relayer, ALICE) as alice:
        async with member(relayer, BOB, answer=ack(BOB, ALICE)) as bob:
            await bob.host.listen("/ip4/127.0.0.1/tcp/0")
            await until(lambda: len(relayer.registrations) == 2)
            await until(lambda: relayer.host.peerstore.addresses(bob.peer, 0.0))
            await bob.host.disconnect(relayer.peer_id)
            await until(lambda: len(relayer.registrations) == 1)
            assert await alice.ask(letter(ALICE, BOB)) == b""
            assert not relayer.host.connections(bob.peer)
        assert relayer.counters["refused.not-registered"] == 1


@pytest.mark.req("SHK-104")
async def test_a_node_that_breaks_off_or_never_answers_costs_its_sender_alone() -> None:
    config = replace(QUICK, settle_timeout=0.5, direct=DirectConfig(timeout=1.0))
    async with relaying(config=config) as relayer, member(relayer, ALICE) as alice, member(relayer, BOB) as bob:
        hanging = asyncio.Event()

        async def hang(stream: object) -> None:
            del stream
            await hanging.wait()

        bob.host.handle(MESSAGE_PROTOCOL, hang)
        await until(lambda: len(relayer.registrations) == 2)
        waiting = asyncio.create_task(alice.ask(letter(ALICE, BOB)))
        async with member(relayer, CAROL, answer=ack(CAROL, ALICE)):
            await until(lambda: len(relayer.registrations) == 3)
            assert (await alice.told(letter(ALICE, CAROL))).content == "ACK"
        with contextlib.suppress(StreamReset):
            assert await waiting == b""
        hanging.set()

        async def break_off(stream: object) -> None:
            del stream
            raise StreamReset(0)

        bob.host.handle(MESSAGE_PROTOCOL, break_off)
        assert await alice.ask(letter(ALICE, BOB)) == b""
        assert relayer.counters["refused.unreachable"] >= 1
        assert relayer.usage()["direct.max_requests"].current == 0


@pytest.mark.req("SHK-108")
async def test_what_is_too_long_is_cut_off() -> None:
    small = DirectConfig(max_request=4_000, max_response=4_000)
    async with (
        relaying(config=replace(QUICK, direct=small)) as relayer,
        member(relayer, LOCAL, local_keys()) as first,
        member(relayer, ALICE) as alice,
        member(relayer, BOB, answer=b" " * 4_001),
    ):
        await until(lambda: len(relayer.registrations) == 3)
        with pytest.raises(StreamReset):
            await alice.ask(b" " * 4_001)
        assert relayer.counters["max_request"] == 1
        assert await alice.ask(letter(ALICE, BOB)) == b""
        assert relayer.counters["refused.max_response"] == 1
        # It fits until the relay's name and the peer id are added.
        room = 4_000 - len(json_form.encode(local_letter(BOB, "")))
        assert await first.ask(local_letter(BOB, "x" * (room // 2 - 2))) == b""
        assert relayer.counters["refused.max_request"] == 1


@pytest.mark.req("SHK-108")
async def test_a_flood_is_refused_unread_and_others_are_served() -> None:
    config = replace(QUICK, messages_per_second=1.0, message_burst=5)
    async with (
        relaying(config=config) as relayer,
        member(relayer, ALICE) as alice,
        member(relayer, CAROL) as carol,
        member(relayer, BOB, answer=ack(BOB, CAROL)),
    ):
        await until(lambda: len(relayer.registrations) == 3)
        results = await asyncio.gather(*(alice.ask(b"{}") for _ in range(20)), return_exceptions=True)
        assert sum(isinstance(result, StreamReset) for result in results) >= 14
        assert relayer.counters["flooding"] >= 14
        assert (await carol.told(letter(CAROL, BOB))).content == "ACK"


@pytest.mark.req("SHK-108")
async def test_a_peer_that_sends_too_many_bytes_is_held_back() -> None:
    slow = BandwidthConfig(per_second=2_000_000.0, burst=100_000)
    async with (
        relaying(config=replace(QUICK, incoming=slow)) as relayer,
        member(relayer, ALICE) as alice,
        member(relayer, BOB, answer=ack(BOB, ALICE)),
    ):
        await until(lambda: len(relayer.registrations) == 2)
        assert (await alice.told(letter(ALICE, BOB, "x" * 200_000))).content == "ACK"
        assert relayer.counters["throttled"] > 0
