from __future__ import annotations

import argparse
from pathlib import Path

from p2pstack import Host, Multiaddr, PeerInfo, PrivateKey
from p2pstack.cli.arguments import Parser
from p2pstack.cli.keyfiles import write_key
from p2pstack.cli.output import MAX_PRINTABLE
from p2pstack.cli.people_host import add_host_options, add_target, info_fields, info_values, open_host, who_is
from p2pstack.cli.tracefile import read_trace
from p2pstack.host.host import BaseHost
from p2pstack.services.echo import ECHO, serve_echo

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
KEY = PrivateKey.from_seed(b"\x01" * 32)


def options(*argv: str) -> argparse.Namespace:
    parser = Parser()
    add_target(parser)
    add_host_options(parser)
    return parser.parse_args(["/ip4/127.0.0.1/tcp/1", *argv])


def test_what_a_command_with_a_host_takes() -> None:
    assert vars(options()) == {
        "address": "/ip4/127.0.0.1/tcp/1", "timeout": 15.0, "json": False, "loop": None, "key": None, "trace": None,
    }  # fmt: skip


async def test_key_trace_and_protocols(tmp_path: Path) -> None:
    key, trace = tmp_path / "key", tmp_path / "trace"
    write_key(key, KEY)
    chosen = options("--key", str(key), "--trace", str(trace))
    async with open_host(chosen, [LOOPBACK], [serve_echo]) as host, open_host(options()) as other:
        assert host.peer_id == KEY.peer_id
        assert other.peer_id != KEY.peer_id
        connection = await other.connect(host.full_addresses[0])
        info = await who_is(other, connection)
        assert info is not None
        assert ECHO in info.protocols
    assert next(read_trace(trace))["name"] == "opened"


async def test_a_peer_that_does_not_tell() -> None:
    async with BaseHost(listen=[LOOPBACK]) as silent, Host() as host:
        assert await who_is(host, await host.connect(silent.full_addresses[0])) is None


def test_what_a_peer_says_of_itself_is_shown_harmless() -> None:
    evil = PeerInfo(
        peer=KEY.peer_id,
        agent="a\x1b[2J",
        protocols=("/x\r/1", "/" + "y" * 5000),
        addresses=(Multiaddr(LOOPBACK),),
        observed=Multiaddr("/ip4/192.0.2.1/tcp/1"),
        record=b"record",
    )
    fields = dict(info_fields(evil))
    assert fields["agent"] == "a\\x1b[2J"
    assert fields["protocols"] == ["/x\\r/1", "/" + "y" * (MAX_PRINTABLE - 1) + "…"]
    assert fields["signed record"] is True
    assert info_values(evil) == {
        "peer_id": str(KEY.peer_id),
        "agent": "a\x1b[2J",
        "protocol_version": "",
        "protocols": list(evil.protocols),
        "addresses": [LOOPBACK],
        "observed": "/ip4/192.0.2.1/tcp/1",
        "signed_record": True,
    }


def test_a_peer_that_says_nothing() -> None:
    silent = PeerInfo(peer=KEY.peer_id)
    assert dict(info_fields(silent))["sees us at"] == "-"
    assert info_values(silent)["observed"] is None
