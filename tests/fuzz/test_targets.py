from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fuzz import corpus, seeds
from fuzz.engines.by_mutation import inputs
from fuzz.report import attempt
from fuzz.targets import TARGETS
from p2pstack.autonat import choice
from p2pstack.autonat.reachability import Confidence
from p2pstack.cli import harness_resp
from p2pstack.connection.machine import Connection
from p2pstack.errors import Truncated
from p2pstack.gossipsub import packing, signing
from p2pstack.gossipsub.backoff import Backoffs
from p2pstack.gossipsub.state import State
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.path import Path as LookupPath
from p2pstack.mdns import packet, table
from p2pstack.multistream.responder import Responder
from p2pstack.noise import Handshake
from p2pstack.rendezvous import messages as rendezvous_messages
from p2pstack.rendezvous.point import Point
from p2pstack.services.port_mapping import pcp
from p2pstack.shinkai import encryption, inboxes, json_form, json_text, names, signatures
from p2pstack.shinkai import frames as shinkai_frames
from p2pstack.shinkai.relayer import forwarding
from p2pstack.shinkai.relayer.registrations import Registrations
from p2pstack.wire import uvarint
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream

MUTATIONS = 300
every_target = pytest.mark.parametrize("target", TARGETS)


def run(target: str, count: int = 0) -> None:
    """The corpus, then as many mutations of it."""
    committed = corpus.load(target)
    for data in itertools.islice(inputs(committed, seed=7), len(committed) + count):
        failure = attempt(TARGETS[target], data)
        if failure is not None:
            pytest.fail(f"{failure.text}\ninput in hex: {data.hex()}", pytrace=False)


@pytest.mark.req("GEN-01", "GEN-02", "GEN-04", "GEN-06", "GEN-07")
@every_target
def test_a_target_passes_its_corpus_and_mutations_of_it(target: str) -> None:
    run(target, MUTATIONS)


@every_target
def test_a_target_takes_any_input(target: str) -> None:
    for data in (b"", b"\x00", b"\xff", bytes(100), b"\xff" * 100, bytes(range(256))):
        assert attempt(TARGETS[target], data) is None


@every_target
def test_the_corpus_is_small(target: str) -> None:
    sizes = [len(data) for data in corpus.load(target)]
    assert 1 <= len(sizes) <= 16
    assert sum(sizes) < 16_384


def test_every_corpus_has_its_target() -> None:
    assert {path.name for path in corpus.FOLDER.iterdir()} == set(TARGETS)


def test_the_corpus_can_be_made_anew(tmp_path: Path) -> None:
    assert seeds.main(tmp_path) == 0
    made = {path.name: len(list(path.iterdir())) for path in tmp_path.iterdir()}
    assert made == {target: len(corpus.load(target)) for target in TARGETS}


# -- a target that can't fail would be worth nothing


def lenient(data: Any, offset: int = 0, max_bytes: int = 9) -> tuple[int, int]:
    """A varint decoder that takes what is not minimal."""
    value = shift = 0
    for position in range(offset, min(len(data), offset + max_bytes)):
        value |= (data[position] & 0x7F) << shift
        shift += 7
        if data[position] < 0x80:
            return value, position + 1
    raise Truncated("cut off")


def losing(stream: Stream, data: Any, size: int) -> None:
    """Takes one byte too few where there are many."""
    stream.received.append(bytes(data[: min(size, 9)]))
    stream.unread += min(size, 9)
    stream.session.unread += min(size, 9)


def raising(*_: object) -> None:
    raise KeyError("not an error that is documented")


@pytest.mark.parametrize(
    ("target", "owner", "name", "fault"),
    [
        ("uvarint", uvarint, "decode", lenient),
        ("yamux-session", Stream, "feed", losing),
        ("yamux-session", Session, "_receive_session_frame", lambda *_: False),
        ("yamux-stream-pair", Stream, "feed", losing),
        ("yamux-stream-pair", Stream, "credit", lambda *_: None),
        ("multistream-responder", Responder, "_receive_message", raising),
        ("connection-server", Session, "_open_inbound", raising),
        ("connection-client", Connection, "fail", lambda *_: None),
        ("noise-handshake", Handshake, "check_size", raising),
        ("gossipsub-router", Backoffs, "until", lambda *_: 0.0),
        ("gossipsub-router", State, "leave_mesh", lambda *_: True),
        ("pubsub-rpc", packing, "_topic", lambda _: b""),
        ("pubsub-rpc", signing, "_signed_part", lambda message, _: message.encoded),
        ("shinkai-frame", shinkai_frames.FrameReader, "_check_total", lambda *_: None),
        ("shinkai-frame", shinkai_frames.FrameReader, "_check_identity", lambda *_: None),
        ("shinkai-frame", shinkai_frames, "_text", lambda data: data.decode("latin-1")),
        ("shinkai-message", json_form, "checked", lambda text: text),
        ("shinkai-message", json_text, "_bound", lambda *_: None),
        ("shinkai-message", json_form, "unit_name", raising),
        ("shinkai-message", signatures, "_verify", lambda *_: None),
        ("shinkai-message", json_text, "canonical", json_text.compact),
        ("shinkai-cipher", encryption, "unhex", bytes.fromhex),
        ("shinkai-cipher", encryption, "_open", lambda _, sealed: sealed[12:-16]),
        ("shinkai-cipher", encryption, "_unframed", lambda content: bytes.fromhex(content[10:])),
        ("shinkai-name", names, "_PART", re.compile(r"\w*")),
        ("shinkai-name", names, "_NODE", re.compile(r"@@.*")),
        ("shinkai-name", inboxes, "is_valid", lambda _: True),
        ("shinkai-relay", forwarding, "is_local", lambda _: True),
        ("shinkai-relay", Registrations, "holder", lambda *_: None),
        ("autonat-v1", choice, "_ip_endpoint", raising),
        ("autonat-v2", choice, "_acceptable", lambda *_, **__: True),
        ("autonat-reachability", Confidence, "_lead", lambda self: 3 * len(self._answers)),
        ("gateway-answer", pcp, "_natpmp_body", lambda data, *_: data[-8:]),
        ("resp", harness_resp, "_line", lambda data, start: (bytes(data[start:]), len(data))),
        ("kad-message", Contact, "encode", lambda *_, **__: b""),
        ("kad-query", LookupPath, "ask", lambda *_: None),
        ("mdns-packet", table, "_union", lambda _: ()),
        ("mdns-packet", packet, "_unpack", raising),
        ("rendezvous-message", rendezvous_messages, "_count_registrations", lambda _: None),
        ("rendezvous-point", Point, "_start", lambda *_: 0),
        ("peer-id", PeerId, "to_cid", lambda self: str(self)[:-1]),
    ],
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    owner: object,
    name: str,
    fault: Callable[..., object] | re.Pattern[str],
) -> None:
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(pytest.fail.Exception, match="input in hex"):
        run(target, MUTATIONS)
