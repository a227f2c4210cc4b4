"""Files that hold a private key: the protobuf form that go, rust and js store, readable by their owner alone."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

from p2pstack.cli.arguments import CommandError
from p2pstack.errors import DecodeError
from p2pstack.identity.keys import PrivateKey

__all__ = ["read_key", "write_key"]

MAX_FILE = 65_536
"""Bytes of a file that are looked at: the largest key that is accepted has a tenth of that."""


def write_key(path: Path, key: PrivateKey, *, replace: bool = False) -> None:
    """Write ``key`` to a new file with mode 0600.

    Raises:
        CommandError: there is a file already, and ``replace`` is false.
        OSError: it can't be written.
    """
    if replace:
        # Not overwritten: an older file may be open to others, by its mode or because a program holds it.
        path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError as error:
        raise CommandError(f"{path} exists already; --force replaces it, and the key in it is lost") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.to_protobuf())


def read_key(path: Path) -> PrivateKey:
    """Read a private key in protobuf form, or in base64 of it, as kubo's configuration has it.

    Raises:
        CommandError: the file holds no private key.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_FILE)
    try:
        return PrivateKey.from_protobuf(data)
    except DecodeError as error:
        try:
            return PrivateKey.from_protobuf(base64.b64decode(data.strip(), validate=True))
        except (binascii.Error, DecodeError):
            raise CommandError(f"{path} holds no private key: {error}") from error
