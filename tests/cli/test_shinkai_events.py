from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from p2pstack.cli.output import Output
from p2pstack.cli.shinkai_events import show_event
from p2pstack.cli.shinkai_logs import StatusLog
from p2pstack.errors import DeadlineExceeded
from p2pstack.host.events import Event
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.bootstrap import BootstrapConnected, BootstrapFailed
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from p2pstack.shinkai.network.events import PeerDown, PeerUp, RelayDown, RelayUp
from p2pstack.shinkai.node.events import LibP2PUnavailable, MessageAccepted, MessageDelivered, MessageFailed
from p2pstack.shinkai.node.results import SendResult, SendState
from tests.cli.shinkai import ALICE, BOB

NOW = 1_000.0
PEER = PrivateKey.from_seed(b"\x01" * 32).peer_id
ADDRESS = parse("/ip4/192.0.2.1/tcp/4001")
DIRECT: Any = SimpleNamespace(remote_address=ADDRESS, direction="inbound")


def failed(state: SendState, **values: Any) -> MessageFailed:
    return MessageFailed(recipient=BOB, result=SendResult(state=state, key="k", **values))


EVENTS = [
    (MessageAccepted(key="k", sender=ALICE, inbox="i", via="tcp"), "received", f"← a message from {ALICE}, by tcp"),
    (MessageDelivered(key="k", recipient=BOB, via="libp2p"), "delivered", f"→ delivered to {BOB}, by libp2p"),
    (
        failed(SendState.QUEUED, reason="unreachable", detail="nobody\nthere", next_attempt=NOW + 4),
        "queued",
        rf"… waits for {BOB}: nobody\nthere; next try in 4.0 s",
    ),
    (failed(SendState.QUEUED, reason="unreachable"), "queued", f"… waits for {BOB}: unreachable; next try in 0.0 s"),
    (
        MessageDelivered(key="k", recipient=BOB, via="libp2p", found="dht"),
        "delivered",
        f"→ delivered to {BOB}, by libp2p, found by the DHT",
    ),
    (failed(SendState.REFUSED, reason="dead-age"), "given_up", f"✗ given up for {BOB}: dead-age"),
    (LibP2PUnavailable(reason="no port"), "libp2p_unavailable", "libp2p is not running: no port"),
    (PeerUp(peer=PEER, agent="a\x1b[31m"), "peer_up", rf"+ {PEER} is a\x1b[31m"),
    (PeerUp(peer=PEER), "peer_up", f"+ {PEER}"),
    (PeerDown(peer=PEER), "peer_down", f"- {PEER}"),
    (RelayUp(peer=PEER, address=ADDRESS), "relay_up", f"the relay {PEER} is connected"),
    (
        RelayDown(address=ADDRESS, reason="refused", retry_in=2.0),
        "relay_down",
        f"the relay at {ADDRESS} is not connected, next try in 2.0 s: refused",
    ),
    (
        RelayDown(address=None, reason="no\nname", retry_in=2.0),
        "relay_unknown",
        r"it is not known where the relay is, next try in 2.0 s: no\nname",
    ),
    (BootstrapConnected(peer=PEER, address=ADDRESS), "bootstrap_up", f"the bootstrap peer {PEER} is connected"),
    (
        BootstrapFailed(address=ADDRESS, peer=None, error=DeadlineExceeded("late"), failures=1, retry_in=2.0),
        "bootstrap_failed",
        f"the bootstrap address {ADDRESS} leads to nobody, next try in 2.0 s: late",
    ),
    (
        HolePunched(peer=PEER, connection=DIRECT, attempts=1, seconds=0.5),
        "hole_punched",
        f"{PEER} is connected directly, at {ADDRESS}",
    ),
    (
        HolePunchFailed(peer=PEER, attempts=3, reasons=(DeadlineExceeded("late"), DeadlineExceeded("no\nanswer"))),
        "hole_punch_failed",
        rf"no direct connection to {PEER}, the relay stays in between: late; no\nanswer",
    ),
]


def shown(event: Event, *, as_json: bool) -> str:
    stream = io.StringIO()
    show_event(event, StatusLog(Output(as_json=as_json, stream=stream)), lambda: NOW)
    return stream.getvalue()


@pytest.mark.parametrize(("event", "name", "text"), EVENTS, ids=[name for _, name, _ in EVENTS])
def test_an_event(event: Event, name: str, text: str) -> None:
    assert shown(event, as_json=False).partition(" ")[2] == text + "\n"
    assert json.loads(shown(event, as_json=True))["event"] == name


def test_what_a_machine_is_told() -> None:
    told = json.loads(shown(EVENTS[2][0], as_json=True))
    del told["time"]
    assert told == {
        "event": "queued",
        "key": "k",
        "to": BOB,
        "reason": "unreachable",
        "detail": "nobody\nthere",
        "next_attempt": NOW + 4,
    }


def test_other_events_are_left_out() -> None:
    assert shown(Event(), as_json=False) == ""
