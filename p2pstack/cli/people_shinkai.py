"""The commands of Shinkai nodes: ``node``, and ``send``, ``inbox``, ``queue``, ``peers`` and ``identity``.

Only their arguments stand here; what they do is loaded when they run.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from p2pstack.cli.arguments import Commands, add_common, add_loop, count, seconds
from p2pstack.cli.later import later

__all__ = ["DEFAULT_DATA", "add_commands", "data_folder"]

DEFAULT_DATA = "storage"
"""The folder of a node, as in the original."""


def add_commands(commands: Commands) -> None:
    """Add the commands of Shinkai nodes."""
    _add_node(commands)
    _add_talk(commands)
    _add_identity(commands)


def data_folder(options: argparse.Namespace) -> Path:
    """Return the folder of the node that is meant: ``--data``, or NODE_STORAGE_PATH, or ``storage``."""
    given: Path | None = options.data
    return given if given is not None else Path(os.environ.get("NODE_STORAGE_PATH") or DEFAULT_DATA)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help=f"the node's folder (default: NODE_STORAGE_PATH, or ./{DEFAULT_DATA})",
    )
    add_common(parser)


def _add_node(commands: Commands) -> None:
    node = commands.add_parser(
        "node",
        help="run a Shinkai node",
        description="Runs a Shinkai node until Ctrl-C or SIGTERM. What is not given here is taken from the environment "
        "variables of the original, such as NODE_PORT, and from the file .secret in its folder.",
    )
    node.add_argument("--name", metavar="NAME", help="its name, such as @@alice.shinkai (GLOBAL_IDENTITY_NAME)")
    node.add_argument("--listen", metavar="HOST:PORT", help="default: 0.0.0.0:9552 (NODE_IP, NODE_PORT)")
    node.add_argument("--profile", choices=("seed", "head", "both"), default="head", help="default: head, of today")
    where = node.add_mutually_exclusive_group()
    where.add_argument(
        "--directory", type=Path, metavar="FILE", help="who is who, as JSON (default: directory.json in its folder)"
    )
    where.add_argument(
        "--rpc-url",
        action="append",
        metavar="URL",
        help="ask the registry on chain through this server instead (RPC_URL); `public`: those of the original",
    )
    node.add_argument(
        "--bootstrap",
        "--peer",
        dest="peer",
        action="append",
        default=[],
        metavar="ADDR",
        help="a multiaddr of a node or relay to stay connected to, or a /dnsaddr list of some; one is enough to find "
        "all others",
    )
    node.add_argument("--relay", metavar="ADDR", help="a relay's multiaddr, or its Shinkai name (PROXY_IDENTITY)")
    node.add_argument(
        "--dht",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="ask others where a node is whose address is not known (default)",
    )
    node.add_argument("--dht-protocol", metavar="ID", help="the DHT's name (default: /shinkai/kad/1.0.0)")
    node.add_argument("--mdns", action="store_true", help="find nodes on the local network, and be found there")
    node.add_argument(
        "--interface", dest="interfaces", action="append", metavar="NAME", help="mDNS there alone (default: all)"
    )
    node.add_argument("--ws-port", type=count, metavar="PORT", help="tell WebSocket clients of messages (NODE_WS_PORT)")
    node.add_argument("--no-libp2p", action="store_true", help="messages go over plain TCP alone")
    node.add_argument("--log", choices=("debug", "info", "warning", "error"), help="default: warning (RUST_LOG)")
    node.set_defaults(run=later("shinkai_node", "run_node"))
    _add_data(node)
    add_loop(node)


def _add_talk(commands: Commands) -> None:
    send = commands.add_parser("send", help="have the running Shinkai node send a text")
    send.add_argument("to", metavar="NAME", help="@@bob.shinkai, or a profile of a node: @@bob.shinkai/main")
    send.add_argument("text", metavar="TEXT", help="what to say; - reads it from stdin")
    send.add_argument(
        "--wait", type=seconds, default=0.0, metavar="S", help="if it is queued, wait as long for it to be delivered"
    )
    send.set_defaults(run=later("people_shinkai_talk", "send"))
    inbox = commands.add_parser(
        "inbox",
        help="print and take the messages of the running Shinkai node",
        description="Prints the messages that nobody has taken yet, each once.",
    )
    inbox.add_argument("--follow", action="store_true", help="go on with those that come")
    inbox.add_argument("--history", action="store_true", help="print what was received and sent before, take nothing")
    inbox.add_argument("--inbox", metavar="NAME", help="of this inbox alone")
    inbox.add_argument("--limit", type=count, default=100, metavar="N", help="of --history (default: 100)")
    inbox.set_defaults(run=later("people_shinkai_talk", "inbox"))
    queue = commands.add_parser("queue", help="what the running Shinkai node has still to deliver")
    queue.add_argument(
        "action",
        nargs="?",
        choices=("list", "dead", "retry", "drop"),
        default="list",
        help="list what waits (default), or what was given up; try a message now; forget one",
    )
    queue.add_argument("key", nargs="?", metavar="KEY", help="of the message, for retry and drop")
    queue.add_argument("--limit", type=count, default=100, metavar="N", help="of the lists (default: 100)")
    queue.set_defaults(run=later("people_shinkai_talk", "queue"))
    peers = commands.add_parser("peers", help="how the running Shinkai node is doing, and whom it is connected to")
    peers.set_defaults(run=later("people_shinkai_talk", "peers"))
    for parser in (send, inbox, queue, peers):
        _add_data(parser)


def _add_identity(commands: Commands) -> None:
    identity = commands.add_parser("identity", help="make and show Shinkai identities, and list them for others")
    actions = identity.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="make the keys of a node, in .secret in its folder")
    new.add_argument("--name", required=True, metavar="NAME", help="such as @@alice.shinkai")
    new.add_argument("--force", action="store_true", help="replace keys that are there")
    new.set_defaults(run=later("people_shinkai_identity", "new"))
    show = actions.add_parser("show", help="show what others have to know of a node")
    show.add_argument("who", nargs="?", metavar="NAME", help="of the directory's file (default: the folder's own)")
    show.set_defaults(run=later("people_shinkai_identity", "show"))
    add = actions.add_parser("add", help="put a node into the directory's file")
    add.add_argument(
        "who", metavar="WHO", help="a file with what `identity show --json` prints, - for stdin, or a name with keys"
    )
    add.add_argument("--encryption-key", metavar="HEX", help="with a name")
    add.add_argument("--signature-key", metavar="HEX", help="with a name")
    add.set_defaults(run=later("people_shinkai_identity", "add"))
    for parser in (new, show, add):
        parser.add_argument(
            "--address",
            action="append",
            metavar="HOST:PORT",
            help="where it is reached, or the name of the node that it is behind",
        )
    for parser in (show, add):
        parser.add_argument("--directory", type=Path, metavar="FILE", help="default: directory.json in the folder")
    for parser in (new, show, add):
        _add_data(parser)
