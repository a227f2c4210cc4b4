"""``p2pstack key`` and ``p2pstack id``: keys in files, and the peer ids that follow from keys, names and secrets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from p2pstack.cli.arguments import CommandError, Commands, add_common
from p2pstack.cli.keyfiles import read_key, write_key
from p2pstack.cli.output import Output
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.identity.names import key_from_node_name, key_from_secret

__all__ = ["add_commands"]

KINDS = {"ed25519": KeyType.ED25519, "rsa": KeyType.RSA, "secp256k1": KeyType.SECP256K1, "ecdsa": KeyType.ECDSA}

NAME_WARNING = """\
WARNING: a key that is made from a node's name is NOT SECRET. Anybody who knows the name has the private key.
WARNING: use it to recognise old Shinkai nodes, never as an identity of your own."""


def add_commands(commands: Commands) -> None:
    """Add ``key new``, ``key show`` and ``id``."""
    key = commands.add_parser("key", help="make and show key files").add_subparsers(required=True, metavar="ACTION")
    new = key.add_parser("new", help="make a key and write it to a file that only you can read")
    new.add_argument("file", type=Path)
    new.add_argument("--type", choices=tuple(KINDS), default="ed25519", help="default: ed25519")
    new.add_argument("--force", action="store_true", help="replace a file that is there")
    new.set_defaults(run=_new)
    show = key.add_parser("show", help="show what a key file holds, without its secret")
    show.add_argument("file", type=Path)
    show.set_defaults(run=_show)
    identify = commands.add_parser("id", help="print the peer id of a key file, or of a node's name")
    identify.add_argument("file", type=Path, nargs="?", help="a key file")
    identify.add_argument("--name", help="with --secret: a node's name")
    identify.add_argument("--secret", type=Path, metavar="FILE", help="a file of at least 32 random bytes")
    identify.add_argument("--node-name", metavar="NAME", help="an old Shinkai node's name; its key is NOT secret")
    identify.set_defaults(run=_id)
    for parser in (new, show, identify):
        add_common(parser)


def _new(options: argparse.Namespace, output: Output) -> int:
    key = PrivateKey.generate(KINDS[options.type])
    write_key(options.file, key, replace=options.force)
    _describe(key, output, file=str(options.file))
    return 0


def _show(options: argparse.Namespace, output: Output) -> int:
    _describe(read_key(options.file), output, file=str(options.file))
    return 0


def _describe(key: PrivateKey, output: Output, file: str) -> None:
    peer = key.peer_id
    public = key.public_key.to_protobuf().hex()
    output.result(
        {"file": file, "type": key.type.name, "peer_id": str(peer), "cid": peer.to_cid(), "public_key": public}
    )
    output.fields([("peer id", peer), ("as a CID", peer.to_cid()), ("type", key.type.name), ("public key", public)])
    output.line(f"  in {file}", "dim")


def _id(options: argparse.Namespace, output: Output) -> int:
    key = _key_of(options)
    if options.node_name is not None:
        sys.stderr.write(NAME_WARNING + "\n")
    output.result({"peer_id": str(key.peer_id), "secret": options.node_name is None})
    output.line(str(key.peer_id))
    return 0


def _key_of(options: argparse.Namespace) -> PrivateKey:
    """Return the key that the arguments name in one of three ways."""
    if (options.secret is None) != (options.name is None):
        raise CommandError("--secret and --name go together")
    given = [options.file, options.secret, options.node_name]
    if sum(value is not None for value in given) != 1:
        raise CommandError("one of a key file, --secret with --name, and --node-name is needed")
    if options.file is not None:
        return read_key(options.file)
    if options.node_name is not None:
        return key_from_node_name(options.node_name)
    return key_from_secret(options.secret.read_bytes(), options.name)
