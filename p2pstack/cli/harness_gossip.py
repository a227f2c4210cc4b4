"""``p2pstack gossipsub-interop``: a node in the scenarios by which libp2p tries gossipsub implementations together.

Started once a node with ``--params FILE``. Which node it is the host's name tells, ``node7``; where the others are,
their names. Both can be said instead, so that many nodes run on one machine. JSON lines on stdout are for the checks,
everything else goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
from pathlib import Path
from time import monotonic

from p2pstack.cli.arguments import CommandError, Commands, add_loop
from p2pstack.cli.harness_gossip_node import PORT, AddressBook, Addresses, Names, Node, log, node_key
from p2pstack.cli.harness_gossip_script import read_script
from p2pstack.cli.output import Output
from p2pstack.cli.peer_host import without_limits
from p2pstack.cli.running import raise_descriptor_limit, run
from p2pstack.host.config import DialConfig, HostConfig
from p2pstack.services.standard import Host

__all__ = ["add_commands", "play"]

_NAME = re.compile(r"node([0-9]{1,9})", re.ASCII)


def add_commands(commands: Commands) -> None:
    """Add ``gossipsub-interop``."""
    parser = commands.add_parser(
        "gossipsub-interop",
        help="a node of libp2p's gossipsub-interop scenarios",
        description="Runs one node of a scenario, as the script in --params says, and ends with it.",
    )
    parser.add_argument("--params", type=Path, required=True, metavar="FILE", help="the scenario, JSON")
    parser.add_argument("--node-id", type=_node, metavar="N", help="which node to be (default: of the host's name)")
    parser.add_argument(
        "--listen", default=f"/ip4/0.0.0.0/tcp/{PORT}", metavar="ADDR", help=f"default: /ip4/0.0.0.0/tcp/{PORT}"
    )
    parser.add_argument(
        "--peers-file", type=Path, metavar="FILE", help='where the others are, JSON: {"0": ADDR, …} (default: by name)'
    )
    parser.set_defaults(run=_interop)
    add_loop(parser)


def _node(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) >= 1 << 31:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a node")
    return int(text)


def _interop(options: argparse.Namespace, _: Output) -> int:
    run(play(options, monotonic()), options.loop)
    return 0


async def play(options: argparse.Namespace, started: float) -> None:
    """Be a node until its script is done; ``started`` is when it began, of the monotonic clock.

    Raises:
        CommandError: the arguments or the script can't be followed.
        P2PError: another node can't be reached, or a message not be published.
    """
    node = options.node_id if options.node_id is not None else _node_of(socket.gethostname())
    script = read_script(options.params, node)
    addresses = _addresses(options.peers_file)
    raise_descriptor_limit()
    # A node that is not there yet is tried again and again.
    dial = DialConfig(backoff_base=0.0, backoff_factor=0.0)
    config = without_limits(HostConfig(dial=dial))
    async with Host(node_key(node), listen=[options.listen], config=config) as host:
        log("PeerID", id=str(host.peer_id), node_id=node)
        async with Node(host, addresses, started) as running:
            await running.run(script)


def _node_of(name: str) -> int:
    match = _NAME.match(name)
    if match is None:
        raise CommandError(f"the host's name {name!r} is not like node7; say which node it is with --node-id")
    return int(match[1])


def _addresses(path: Path | None) -> Addresses:
    """Return where the other nodes are."""
    if path is None:
        return Names()
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise CommandError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(address, str) for address in found.values()):
        raise CommandError(f"{path} has no addresses by node")
    wrong = next((node for node in found if not (node.isascii() and node.isdigit())), None)
    if wrong is not None:
        raise CommandError(f"{path}: {wrong!r} is no number of a node")
    return AddressBook({int(node): address for node, address in found.items()})
