"""``p2pstack identity``: keys of a Shinkai node, and the directory's file. No node has to run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.output import Output
from p2pstack.cli.people_shinkai import data_folder
from p2pstack.cli.running import run
from p2pstack.cli.secret_file import FILE, read_secret
from p2pstack.cli.shinkai_settings import DIRECTORY_FILE, NAME, keep_keys, keys_of
from p2pstack.shinkai.directory.file import FileDirectory
from p2pstack.shinkai.directory.records import IdentityRecord, read_record
from p2pstack.shinkai.errors import InvalidName
from p2pstack.shinkai.keys import EncryptionSecretKey, NodeKeys, key_of_name, public_to_hex, secret_from_hex
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["add", "new", "show"]

MAX_RECORD = 65_536
"""Bytes of a file with an identity."""


def new(options: argparse.Namespace, output: Output) -> int:
    """Make the keys of a node."""
    data = data_folder(options)
    name = _node_name(options.name)
    if any(keys_of(read_secret(data / FILE))) and not options.force:
        raise CommandError(f"{data / FILE} holds keys; --force replaces them, and they are lost")
    keys = NodeKeys.generate(os.urandom)
    path = keep_keys(data, name, keys)
    _describe(_record(name, keys, options.address or ()), output)
    output.line(f"  its secret keys are in {path}", "dim")
    return 0


def show(options: argparse.Namespace, output: Output) -> int:
    """Show what others have to know of a node."""
    if options.who is not None:
        _describe(run(_look_up(options), "asyncio"), output)
        return 0
    path = data_folder(options) / FILE
    values = read_secret(path)
    signature, encryption = keys_of(values)
    if signature is None or encryption is None or NAME not in values:
        raise CommandError(f"{path} holds no identity: `p2pstack identity new --name NAME` makes one")
    keys = NodeKeys(secret_from_hex(signature), EncryptionSecretKey.from_hex(encryption))
    _describe(_record(_node_name(values[NAME]), keys, options.address or ()), output)
    return 0


async def _look_up(options: argparse.Namespace) -> IdentityRecord:
    directory = await FileDirectory.open(_directory(options))
    return await directory.lookup(_node_name(options.who))


def add(options: argparse.Namespace, output: Output) -> int:
    """Put a node into the directory's file, in place of one of the same name."""
    record = _described(options)
    path = _directory(options)
    run(_add(path, record), "asyncio")
    _describe(record, output)
    output.line(f"  is in {path}", "dim")
    return 0


async def _add(path: Path, record: IdentityRecord) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    await (await FileDirectory.open(path)).add(record)


def _described(options: argparse.Namespace) -> IdentityRecord:
    """Return the node that the arguments of ``add`` describe."""
    if options.encryption_key is not None or options.signature_key is not None:
        values: dict[str, Any] = {
            "name": options.who,
            "encryption_key": options.encryption_key,
            "signature_key": options.signature_key,
        }
    else:
        values = _read(options.who)
    addresses = options.address or values.get("address_or_proxy_nodes", [])
    name = values.get("name")
    if not isinstance(name, str):
        raise CommandError(f"{options.who} names nobody")
    return read_record(
        _node_name(name),
        values.get("encryption_key"),
        values.get("signature_key"),
        values.get("routing", False),
        addresses,
    )


def _read(who: str) -> dict[str, Any]:
    """Read what ``identity show --json`` has printed, from a file or stdin."""
    if who.startswith("@@"):
        raise CommandError("a name goes with --encryption-key and --signature-key")
    if who == "-":
        text = sys.stdin.read(MAX_RECORD + 1)
    else:
        with Path(who).open("rb") as file:
            text = file.read(MAX_RECORD + 1).decode(errors="replace")
    try:
        values = json.loads(text) if len(text) <= MAX_RECORD else None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise CommandError(f"{who} holds no identity, as `p2pstack identity show --json` prints it")
    return values


def _record(name: ShinkaiName, keys: NodeKeys, addresses: list[str] | tuple[()]) -> IdentityRecord:
    public = public_to_hex(keys.signature.public_key)
    record = read_record(name, keys.encryption.public.to_hex(), public, False, list(addresses))
    # Behind a relay is who gives its name for an address.
    return replace(record, routing=record.proxy is not None)


def _describe(record: IdentityRecord, output: Output) -> None:
    values = {
        "name": str(record.name),
        "encryption_key": record.encryption_key.to_hex(),
        "signature_key": public_to_hex(record.signature_key),
        "routing": record.routing,
        "address_or_proxy_nodes": list(record.address_or_proxy_nodes),
        "peer_id": str(record.peer_id),
        "seed_peer_id": str(key_of_name(record.name).peer_id),
    }
    output.result(values)
    output.heading(str(record.name))
    output.fields(
        [
            ("signature key", values["signature_key"]),
            ("encryption key", values["encryption_key"]),
            ("reached at", values["address_or_proxy_nodes"]),
            ("peer id", values["peer_id"]),
            ("peer id, seed", values["seed_peer_id"]),
        ]
    )


def _directory(options: argparse.Namespace) -> Path:
    given: Path | None = options.directory
    return given if given is not None else data_folder(options) / DIRECTORY_FILE


def _node_name(text: str) -> ShinkaiName:
    try:
        return ShinkaiName.parse(text).node
    except InvalidName as error:
        raise CommandError(str(error)) from error
