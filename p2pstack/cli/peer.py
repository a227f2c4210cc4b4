"""``p2pstack peer``: the command line that the Go and Rust peers of the interop tests and benchmarks share.

One JSON object a line on stdout, flushed; a failure is an ``error`` event and exit status 1. An option or a verb that
is not known here is such a failure. The whole of it is described in tests/interop/peers/README.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from p2pstack.cli import peer_dht, peer_dht_table, peer_dial, peer_gossip, peer_listen
from p2pstack.cli.arguments import Commands, Parser, add_loop, count, seconds, seed, size
from p2pstack.cli.output import Output
from p2pstack.cli.peer_host import emit
from p2pstack.cli.pubsub_options import add_network
from p2pstack.cli.running import run

__all__ = ["add_commands", "report_error"]


def report_error(message: str) -> None:
    """Print the event of a failure."""
    emit("error", error=message)


def add_commands(commands: Commands) -> None:
    """Add ``peer listen``, ``peer dial``, ``peer gossip``, ``peer dht`` and ``peer dht-table``."""
    parser = commands.add_parser("peer", help="the peer of interop tests and benchmarks")
    verbs = parser.add_subparsers(required=True, metavar="VERB", parser_class=Parser)
    listen = _add_listen(verbs)
    dial = _add_dial(verbs)
    gossip = _add_gossip(verbs)
    dht = peer_dht.add_dht(verbs)
    dht.set_defaults(run=_dht)
    dht_table = peer_dht_table.add_dht_table(verbs)
    dht_table.set_defaults(run=_dht_table)
    for verb in (listen, gossip):
        verb.add_argument("--sub-buffer", type=count, default=65_536, help="messages that may wait to be counted")
        add_network(verb)
    for verb in (listen, dial, gossip, dht, dht_table):
        add_loop(verb)
        verb.add_argument("--seed-hex", dest="seed", type=seed, help="the 32 bytes of the Ed25519 key, in hex")
        verb.add_argument("--spin", type=size, default=0, metavar="MICROSECONDS", help="poll so long after a receive")
        verb.add_argument("--streams-limit", type=count, metavar="N", help="streams of a connection (default: 512)")
        verb.add_argument("--trace", type=Path, metavar="FILE", help="record every frame")


def _add_listen(verbs: Commands) -> argparse.ArgumentParser:
    listen = verbs.add_parser("listen", help="serve identify, ping, echo and perf until stdin ends or SIGTERM comes")
    listen.add_argument("--port", type=int, default=0, help="TCP port (default 0: any)")
    _add_listen_ip(listen)
    listen.add_argument("--quiet", action="store_true", help="no events but the first and the summary")
    listen.add_argument("--rss", action="store_true", help="print resident memory on SIGUSR1 and at the end")
    listen.add_argument("--topic", dest="topics", action="append", default=[], help="speak gossipsub, join a topic")
    listen.add_argument("--connect", action="append", default=[], metavar="ADDR", help="also dial that address")
    listen.add_argument("--relay", action="store_true", help="also be a circuit relay, with go's limits on circuits")
    listen.add_argument("--relay-shinkai", action="store_true", help="also be one, with the limits of Shinkai's")
    listen.add_argument("--relay-addr", action="append", default=[], metavar="ADDR", help="also listen behind a relay")
    listen.add_argument("--dcutr", action="store_true", help="also reach directly who comes through a relay")
    listen.add_argument("--autonat", action="store_true", help="also dial peers back, and ask to be dialled back")
    listen.add_argument("--mdns", action="store_true", help="also find peers on the local network, and dial them")
    peer_dht.add_dht_server(listen)
    listen.set_defaults(run=_listen)
    return listen


def _add_dial(verbs: Commands) -> argparse.ArgumentParser:
    dial = verbs.add_parser("dial", help="dial ADDR, do one thing, print its result")
    dial.add_argument("address", metavar="ADDR")
    dial.add_argument("--do", choices=peer_dial.VERBS, default="ping")
    dial.add_argument("--count", type=count, default=1, help="pings, or connections")
    dial.add_argument("--interval", type=seconds, default=0.0, help="ping: seconds between two")
    dial.add_argument("--size", type=size, default=1024, help="echo: bytes of each stream")
    dial.add_argument("--streams", type=count, default=1, help="echo, perf: streams")
    dial.add_argument("--concurrent", action="store_true", help="echo: all streams at once")
    dial.add_argument("--workers", type=count, help="echo --concurrent: no more than this many at once")
    dial.add_argument("--up", type=size, default=0, help="perf: bytes to upload")
    dial.add_argument("--down", type=size, default=0, help="perf: bytes to download")
    dial.add_argument("--wait", type=seconds, default=10.0, help="hold, dcutr: seconds")
    dial.add_argument("--dcutr", action="store_true", help="dcutr: as other peers want it said; nothing more")
    _add_listen_ip(dial)
    dial.set_defaults(run=_dial)
    return dial


def _add_gossip(verbs: Commands) -> argparse.ArgumentParser:
    gossip = verbs.add_parser("gossip", help="dial each ADDR, join a topic, publish, and count what comes")
    gossip.add_argument("addresses", nargs="*", metavar="ADDR")
    gossip.add_argument("--topic", required=True)
    gossip.add_argument("--publish", type=_number, default=0, metavar="N", help="messages (default: none)")
    gossip.add_argument("--size", type=size, default=1024, help="of a message; it begins with a number and the time")
    gossip.add_argument("--rate", type=seconds, default=0.0, help="messages a second (default 0: as peers take them)")
    gossip.add_argument("--expect", type=_number, default=0, metavar="M", help="end after so many messages of others")
    gossip.add_argument("--wait", type=seconds, default=10.0, help="seconds to wait for them at most")
    gossip.add_argument("--settle", type=seconds, default=0.5, help="seconds to stay if nothing is expected")
    gossip.add_argument("--port", type=int, help="also listen, on that port of 127.0.0.1 (0: any)")
    gossip.add_argument("--quiet", action="store_true", help="no event for each message")
    gossip.set_defaults(run=_gossip)
    return gossip


def _add_listen_ip(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--listen-ip", default="127.0.0.1", metavar="IP", help="listen there (default: 127.0.0.1)")


def _number(text: str) -> int:
    """Read a number that may be 0."""
    return 0 if text == "0" else count(text)


def _listen(options: argparse.Namespace, _: Output) -> int:
    run(peer_listen.listen(options), options.loop)
    return 0


def _dial(options: argparse.Namespace, _: Output) -> int:
    run(peer_dial.dial(options), options.loop)
    return 0


def _gossip(options: argparse.Namespace, _: Output) -> int:
    run(peer_gossip.gossip(options), options.loop)
    return 0


def _dht(options: argparse.Namespace, _: Output) -> int:
    run(peer_dht.dht(options), options.loop)
    return 0


def _dht_table(options: argparse.Namespace, _: Output) -> int:
    peer_dht_table.measure(options)
    return 0
