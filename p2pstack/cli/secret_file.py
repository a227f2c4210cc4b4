"""The file ``.secret`` of a node: its name and its secret keys, as ``KEY=VALUE`` lines, as the original keeps them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from p2pstack.cli.arguments import CommandError

__all__ = ["FILE", "MAX_SIZE", "is_open_to_others", "read_secret", "write_secret"]

FILE = ".secret"

MAX_SIZE = 262_144
"""Bytes: two keys, a name, and two certificates that the original keeps there as well."""


def read_secret(path: Path) -> dict[str, str]:
    """Return what the file says; nothing where there is none. Empty values count as not there.

    Raises:
        CommandError: it is too large, or no text.
        OSError: it can't be read.
    """
    values = {}
    for line in _lines(path):
        key, equals, value = line.partition("=")
        if equals and value.strip() and not key.lstrip().startswith("#"):
            values[key.strip()] = value.strip()
    return values


def write_secret(path: Path, values: Mapping[str, str]) -> None:
    """Set values in the file, readable by its owner alone; its other lines stay as they are.

    Raises:
        CommandError: what is there can't be read.
        OSError: it can't be written; the old file is as it was.
    """
    kept = [line for line in _lines(path) if line.partition("=")[0].strip() not in values]
    text = "".join(f"{line}\n" for line in [*kept, *(f"{key}={value}" for key, value in values.items())])
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def is_open_to_others(path: Path) -> bool:
    """Tell whether the file can be read by others than its owner; False where there is none."""
    return os.name == "posix" and path.is_file() and bool(path.stat().st_mode & 0o077)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        return []
    if len(data) > MAX_SIZE:
        raise CommandError(f"{path} has more than {MAX_SIZE} bytes")
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is no text") from error
