r"""The text of a directory's file, and reading and writing it (SHK-62, SHK-63).

::

    {
      "alice.shinkai": {
        "encryption_key": "<64 hex digits>", "signature_key": "<64 hex digits>",
        "routing": false, "address_or_proxy_nodes": ["127.0.0.1:9552"]
      }
    }

A name may have its ``@@``. ``routing`` and ``address_or_proxy_nodes`` may be missing (false, and none). Other fields
are kept as they are when the program writes the file.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from p2pstack.shinkai import json_text
from p2pstack.shinkai.directory.config import FileDirectoryConfig
from p2pstack.shinkai.directory.errors import DirectoryUnavailable, InvalidIdentity
from p2pstack.shinkai.directory.records import IdentityRecord, read_record
from p2pstack.shinkai.errors import InvalidName, MessageError, shown
from p2pstack.shinkai.json_text import Members
from p2pstack.shinkai.keys import public_to_hex
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["Stamp", "parse", "read", "stamp", "with_record", "without_record", "write"]

Stamp = tuple[int, int, int]
"""Time of change in ns, size and inode: what differs between a file and the next one of its name. Zeros: no file."""

_FIELDS = {"routing": False, "address_or_proxy_nodes": ()}


def parse(data: bytes, config: FileDirectoryConfig) -> dict[ShinkaiName, IdentityRecord]:
    """Read the text of a file.

    Raises:
        InvalidIdentity: it is none; the error names the entry.
    """
    records: dict[ShinkaiName, IdentityRecord] = {}
    for key, value in _members(data, config).pairs:
        name = _name(key)
        if name in records:
            raise InvalidIdentity(f"{name.node_name} is listed twice")
        plain = _plain(value)
        if not isinstance(plain, dict):
            raise InvalidIdentity(f"{name.node_name}: it is no object")
        fields = {**_FIELDS, **plain}
        records[name] = read_record(
            name,
            fields.get("encryption_key"),
            fields.get("signature_key"),
            fields["routing"],
            fields["address_or_proxy_nodes"],
        )
        if len(records) > config.max_identities:
            raise InvalidIdentity(f"more than {config.max_identities} identities")
    return records


def with_record(data: bytes, record: IdentityRecord, config: FileDirectoryConfig) -> bytes:
    """Return the text with a record in it, in place of one of the same name.

    Raises:
        InvalidIdentity: the text is none of a directory.
    """
    entries = _entries(data, config)
    key = _key_of(entries, record.name) or record.name.node_name.removeprefix("@@")
    old = entries.get(key)
    entries[key] = {
        **(old if isinstance(old, dict) else {}),
        "encryption_key": record.encryption_key.to_hex(),
        "signature_key": public_to_hex(record.signature_key),
        "routing": record.routing,
        "address_or_proxy_nodes": list(record.address_or_proxy_nodes),
    }
    return _text(entries)


def without_record(data: bytes, name: ShinkaiName, config: FileDirectoryConfig) -> bytes | None:
    """Return the text without the record of a name, or None where there is none in it.

    Raises:
        InvalidIdentity: the text is none of a directory.
    """
    entries = _entries(data, config)
    key = _key_of(entries, name)
    if key is None:
        return None
    del entries[key]
    return _text(entries)


def stamp(path: Path) -> Stamp:
    """Return what tells whether the file has changed.

    Raises:
        DirectoryUnavailable: it can't be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    except OSError as error:
        raise DirectoryUnavailable(f"can't read {path}: {error.strerror}") from error
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def read(path: Path, config: FileDirectoryConfig) -> bytes:
    """Return what the file holds; ``{}`` where there is none yet.

    Raises:
        DirectoryUnavailable: it can't be read.
        InvalidIdentity: it is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(config.max_size + 1)
    except FileNotFoundError:
        return b"{}"
    except OSError as error:
        raise DirectoryUnavailable(f"can't read {path}: {error.strerror}") from error
    if len(data) > config.max_size:
        raise InvalidIdentity(f"{path} has more than {config.max_size} bytes")
    return data


def write(path: Path, data: bytes) -> None:
    """Put ``data`` in place of what the file holds, at once: who reads it meanwhile gets the old or the new whole.

    Raises:
        DirectoryUnavailable: it can't be written; the old file is as it was.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise DirectoryUnavailable(f"can't write {path}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _members(data: bytes, config: FileDirectoryConfig) -> Members:
    try:
        text = json_text.text_of(data, max_size=config.max_size)
        value = json_text.read_numbers(text, max_structure=config.max_size)
    except MessageError as error:
        raise InvalidIdentity(str(error)) from error
    if not isinstance(value, Members):
        raise InvalidIdentity("this is no object of names")
    return value


def _entries(data: bytes, config: FileDirectoryConfig) -> dict[str, object]:
    return {key: _plain(value) for key, value in _members(data, config).pairs}


def _plain(value: object) -> object:
    try:
        return json_text.plain(value)
    except MessageError as error:
        raise InvalidIdentity(str(error)) from error


def _key_of(entries: dict[str, object], name: ShinkaiName) -> str | None:
    return next((key for key in entries if _name(key) == name.node), None)


def _name(text: str) -> ShinkaiName:
    try:
        name = ShinkaiName.parse(text)
    except InvalidName as error:
        raise InvalidIdentity(str(error)) from error
    if name != name.node:
        raise InvalidIdentity(f"{shown(text)} is no node's name: something stands behind the node")
    return name


def _text(entries: dict[str, object]) -> bytes:
    return json.dumps(entries, indent=2, ensure_ascii=False).encode() + b"\n"
