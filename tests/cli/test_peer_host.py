from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2pstack import HostConfig, Multiaddr, PeerInfo, PrivateKey
from p2pstack.cli.peer_host import emit, emit_identified, make_host, peer_config, tracing
from p2pstack.cli.tracefile import read_trace
from tests.cli.commands import options_of

KEY = PrivateKey.from_seed(b"\x01" * 32)


def test_no_limit_bites() -> None:
    usual, peer = HostConfig(), peer_config(options_of("peer", "listen"))
    for name in (
        "connections", "inbound_connections", "upgrading", "connections_per_peer", "connections_per_ip",
        "connection_rate_per_ip", "connection_burst_per_ip", "inbound_streams", "streams_per_protocol", "window_memory",
    ):  # fmt: skip
        assert getattr(peer.limits, name) >= 100 * getattr(usual.limits, name), name
    assert peer.manager.high_water >= 100_000
    assert peer.connection == usual.connection
    assert peer.shell == usual.shell


def test_more_streams_only_when_asked_for() -> None:
    config = peer_config(options_of("peer", "listen", "--streams-limit", "20000", "--spin", "50"))
    assert config.connection.yamux.max_streams == 20_000
    assert config.connection.yamux.max_inbound_streams == 20_000
    assert config.connection.max_negotiating == 20_000
    assert config.shell.max_handlers == 20_000
    assert config.shell.spin_seconds == pytest.approx(50e-6)


def test_the_seed_is_the_identity() -> None:
    options = options_of("peer", "listen", "--seed-hex", "01" * 32)
    assert make_host(options).peer_id == KEY.peer_id
    unseeded = options_of("peer", "listen")
    assert make_host(unseeded).peer_id != make_host(unseeded).peer_id


def test_a_trace_where_it_is_wanted(tmp_path: Path) -> None:
    with tracing(options_of("peer", "listen")) as sink:
        assert sink is None
    path = tmp_path / "trace"
    with tracing(options_of("peer", "listen", "--trace", path)) as sink:
        assert sink is not None
        sink({"time": 0.0, "name": "opened"})
    assert [event["name"] for event in read_trace(path)] == ["opened"]


def test_events(capsys: pytest.CaptureFixture[str]) -> None:
    emit("holding", count=3)
    emit_identified(PeerInfo(peer=KEY.peer_id))
    emit_identified(
        PeerInfo(
            peer=KEY.peer_id,
            protocols=("/a", "/b"),
            addresses=(Multiaddr("/ip4/192.0.2.1/tcp/1"),),
            agent="agent/1",
            protocol_version="net/1",
            observed=Multiaddr("/ip4/192.0.2.2/tcp/2"),
            record=b"record",
        )
    )
    holding, empty, full = map(json.loads, capsys.readouterr().out.splitlines())
    assert holding == {"event": "holding", "count": 3}
    assert empty == {
        "event": "identified", "peer": str(KEY.peer_id), "agent": "", "protocol_version": "", "protocols": [],
        "observed": "", "listen_addrs": [], "signed_peer_record": False,
    }  # fmt: skip
    assert full == {
        "event": "identified", "peer": str(KEY.peer_id), "agent": "agent/1", "protocol_version": "net/1",
        "protocols": ["/a", "/b"], "observed": "/ip4/192.0.2.2/tcp/2", "listen_addrs": ["/ip4/192.0.2.1/tcp/1"],
        "signed_peer_record": True,
    }  # fmt: skip
