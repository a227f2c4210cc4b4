"""The commands ``p2pstack dht …``: their arguments; what they do is loaded when one runs."""

from __future__ import annotations

import argparse

from p2pstack.cli.arguments import Commands, Parser, count, seconds
from p2pstack.cli.later import later
from p2pstack.cli.people_host import ALL_INTERFACES, add_host_options
from p2pstack.kad.protocols import PROTOCOL

__all__ = ["add_commands"]

_CONTENT = "a text, whose SHA-256 is taken, or 0x and a multihash in hex"


def add_commands(commands: Commands) -> None:
    """Add ``dht`` and what it can do."""
    parser = commands.add_parser(
        "dht",
        help="find peers, values and providers in a Kademlia DHT",
        description="Enters a DHT as a client, by one node of it or more, and does one thing.",
    )
    verbs = parser.add_subparsers(required=True, metavar="WHAT", parser_class=Parser)
    find = _add(verbs, "find-peer", "find out where a peer is")
    find.add_argument("subject", metavar="PEER_ID")
    closest = _add(verbs, "closest", "show the peers nearest to a key")
    closest.add_argument("subject", metavar="KEY", help="a peer id, a text, or 0x and hex digits")
    put = _add(verbs, "put", "store a value under your key (--key) and a name")
    put.add_argument("subject", metavar="NAME")
    put.add_argument("value", metavar="VALUE", help="a text")
    get = _add(verbs, "get", "get a value")
    get.add_argument("subject", metavar="KEY", help="PEER_ID/NAME for what that peer has put, or /pk/PEER_ID")
    provide = _add(verbs, "provide", "tell that you provide something, again every twelve hours, until Ctrl-C")
    provide.add_argument("subject", metavar="CONTENT", help=_CONTENT)
    provide.add_argument("--listen", default=ALL_INTERFACES, metavar="ADDR", help="default: %(default)s")
    providers = _add(verbs, "find-providers", "show who provides something")
    providers.add_argument("subject", metavar="CONTENT", help=_CONTENT)
    providers.add_argument("--count", type=count, default=20, help="end with so many (default: 20)")


def _add(verbs: Commands, name: str, text: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text)
    verb.add_argument("--bootstrap", action="append", required=True, metavar="ADDR", help="a node of it, with /p2p/ID")
    verb.add_argument(
        "--protocol", "--dht-protocol", default=PROTOCOL, metavar="ID", help=f"the network's name (default: {PROTOCOL})"
    )
    verb.add_argument("--timeout", type=seconds, default=30.0, metavar="S", help="(default: 30)")
    add_host_options(verb)
    verb.set_defaults(run=later("dht_command", "run_dht"), operation=name)
    return verb
