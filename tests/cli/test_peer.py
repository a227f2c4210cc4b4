from __future__ import annotations

import json

import pytest

from p2pstack.cli.peer import report_error
from tests.cli.commands import options_of

PUBSUB = {
    "sub_buffer": 65_536, "policy": "strict", "ids": None, "flood_publish": None, "mesh_size": None,
    "heartbeat_ms": None, "unsubscribe_backoff": None, "max_transmit": None, "px": False,
}  # fmt: skip


def test_a_failure_is_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    report_error('it "broke"')
    assert json.loads(capsys.readouterr().out) == {"event": "error", "error": 'it "broke"'}


def test_the_defaults_are_those_of_the_other_peers() -> None:
    listen = vars(options_of("peer", "listen"))
    listen.pop("run")
    assert listen == {
        "port": 0, "quiet": False, "rss": False, "topics": [], "connect": [], **PUBSUB,
        "listen_ip": "127.0.0.1", "relay": False, "relay_shinkai": False, "relay_addr": [], "dcutr": False,
        "autonat": False, "mdns": False, "dht": False, "dht_manual": False, "dht_protocol": "/ipfs/kad/1.0.0",
        "bootstrap": [],
        "loop": None, "seed": None, "spin": 0, "streams_limit": None, "trace": None,
    }  # fmt: skip
    gossip = vars(options_of("peer", "gossip", "ADDR", "--topic", "T"))
    gossip.pop("run")
    assert gossip == {
        "addresses": ["ADDR"], "topic": "T", "publish": 0, "size": 1024, "rate": 0.0, "expect": 0, "wait": 10.0,
        "settle": 0.5, "port": None, "quiet": False, **PUBSUB,
        "loop": None, "seed": None, "spin": 0, "streams_limit": None, "trace": None,
    }  # fmt: skip
    dial = vars(options_of("peer", "dial", "ADDR"))
    dial.pop("run")
    assert dial == {
        "address": "ADDR", "do": "ping", "count": 1, "interval": 0.0, "size": 1024, "streams": 1, "concurrent": False,
        "workers": None, "up": 0, "down": 0, "wait": 10.0, "listen_ip": "127.0.0.1",
        "dcutr": False,
        "loop": None, "seed": None, "spin": 0, "streams_limit": None, "trace": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "argv",
    [
        ("--do", "echo", "ADDR", "--size", "5", "--concurrent"),
        ("ADDR", "--concurrent", "--size", "5", "--do", "echo"),
        ("--size", "5", "--concurrent", "--do", "echo", "ADDR"),
    ],
)
def test_flags_stand_before_between_and_behind(argv: tuple[str, ...]) -> None:
    options = options_of("peer", "dial", *argv)
    assert (options.address, options.do, options.size, options.concurrent) == ("ADDR", "echo", 5, True)
