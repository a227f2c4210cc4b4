"""Nodes of today: a manager of ours and the Rust peer, whose requests are those of rust-libp2p's JSON codec."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from p2pstack.errors import ProtocolViolation
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai import json_form
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import MESSAGE_PROTOCOL, Profile
from tests.interop.harness import Peers
from tests.shinkai.network.nodes import KEYS, ack, answering, ended, manager_of, text

pytestmark = pytest.mark.interop

rust = pytest.mark.parametrize("kind", ["rust"])

ACK = json_form.encode(ack())
HELLO = json_form.encode(text("hello"))


@contextlib.asynccontextmanager
async def bob(folder: Path, answer: ShinkaiMessage | None) -> AsyncIterator[LibP2PManager]:
    """A manager of ours that answers what it accepts."""
    async with manager_of("bob", Profile.HEAD, folder) as manager:
        worker = answering(manager, answer)
        yield manager
        await ended(worker)


@rust
@pytest.mark.req("SHK-71")
async def test_a_request_of_theirs_is_a_job_and_the_ack_its_answer(peers: Peers, tmp_path: Path, kind: str) -> None:
    async with bob(tmp_path, ack()) as ours:
        address = str(ours.addresses[0])
        async with peers.run(kind, "dial", address, "--do", "shinkai-send", "--hex", HELLO.hex()) as peer:
            event = await peer.event("shinkai-response")
            assert await peer.finish() == 0
        assert event["peer"] == str(KEYS["bob"].signature.peer_id)
        assert (event["len"], event["sha256"]) == (len(ACK), sha256(ACK).hexdigest())
        assert ours.handler.counters == {"accepted": 1}


@rust
@pytest.mark.req("SHK-71")
async def test_what_we_do_not_answer_ends_their_request_at_once(peers: Peers, tmp_path: Path, kind: str) -> None:
    async with bob(tmp_path, None) as ours:
        address = str(ours.addresses[0])
        for payload in (HELLO, b"{}", b"\xff", json_form.encode(text("x", recipient="carol"))):
            # The original's own sign of that: it wants JSON where there are no bytes.
            assert "EOF while parsing" in await peers.dial_in_vain(
                kind, address, "shinkai-send", "--hex", payload.hex()
            )
        assert ours.handler.counters == {"accepted": 1, "malformed": 2, "not-for-us": 1}


@rust
@pytest.mark.req("SHK-71")
async def test_a_request_of_ours_is_answered_by_theirs(peers: Peers, tmp_path: Path, kind: str) -> None:
    async with (
        manager_of("alice", Profile.HEAD, tmp_path) as alice,
        peers.listen(kind, "--shinkai-reply-hex", ACK.hex()) as peer,
    ):
        theirs = PeerId.from_string(peer.peer_id)
        assert await alice.send_direct(theirs, text("hello"), [peer.address]) == ack()
        request = await peer.event("shinkai-request", peer=str(alice.peer_id))
        assert (request["len"], request["sha256"]) == (len(HELLO), sha256(HELLO).hexdigest())
        answers = await asyncio.gather(*(alice.send_direct(theirs, text(f"{number}")) for number in range(50)))
        assert answers == [ack()] * 50
        await peer.until(lambda: peer.count("shinkai-request") == 51, "51 requests")


@rust
@pytest.mark.req("SHK-71")
async def test_the_longest_request_comes_back_whole(peers: Peers, tmp_path: Path, kind: str) -> None:
    room = 1_048_576 - len(json_form.encode(text("")))
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice, peers.listen(kind) as peer:
        message = text("x" * room)
        assert len(json_form.encode(message)) == 1_048_576
        # Without a reply of its own the peer sends the same bytes back.
        assert await alice.send_direct(PeerId.from_string(peer.peer_id), message, [peer.address]) == message


@rust
@pytest.mark.req("SHK-71")
async def test_an_answer_that_is_no_message_is_theirs_to_answer_for(peers: Peers, tmp_path: Path, kind: str) -> None:
    async with (
        manager_of("alice", Profile.HEAD, tmp_path) as alice,
        peers.listen(kind, "--shinkai-reply-hex", b"[]".hex()) as peer,
    ):
        with pytest.raises(ProtocolViolation, match="no message"):
            await alice.send_direct(PeerId.from_string(peer.peer_id), text("x"), [peer.address])


@rust
@pytest.mark.req("SHK-70")
async def test_identify_tells_what_they_look_for(peers: Peers, tmp_path: Path, kind: str) -> None:
    async with manager_of("bob", Profile.HEAD, tmp_path) as ours, peers.listen(kind) as peer:
        event = await peers.dial(kind, str(ours.addresses[0]), "identify")
        assert (event["agent"], event["protocol_version"]) == ("shinkai-node-@@bob.shinkai", "/shinkai/1.0.0")
        assert MESSAGE_PROTOCOL in event["protocols"]
        assert not any(protocol.startswith("/meshsub") for protocol in event["protocols"])
        theirs = await ours.add_peer(peer.address)
        assert await ours.ping(theirs) > 0
        await peer.event("identified", agent="shinkai-node-@@bob.shinkai")
