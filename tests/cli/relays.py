"""A relay for the command line's tests: a folder with its keys beside those of the people, and its arguments."""

from __future__ import annotations

from pathlib import Path

from p2pstack.cli.shinkai_settings import keep_keys
from p2pstack.shinkai.directory.config import FileDirectoryConfig
from p2pstack.shinkai.directory.identity_file import with_record
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.names import ShinkaiName
from tests.cli.shinkai import People

RELAY = "@@relay.shinkai"
KEYS = NodeKeys.unsafe_deterministic(9)

ENVIRONMENT = ("NODE_NAME", "PORT", "PING_INTERVAL_SECS", "STATUS_ENDPOINT_URL", "STATUS_ENDPOINT_TOKEN")
"""What `p2pstack relay` reads beside what `p2pstack node` does."""


def folder(people: People) -> Path:
    """Make the relay's folder."""
    path = people.root / "relay"
    keep_keys(path, ShinkaiName.parse(RELAY), KEYS)
    return path


def arguments(people: People) -> list[str]:
    path, directory = str(folder(people)), str(people.directory)
    return ["relay", "--data", path, "--directory", directory, "--listen", "127.0.0.1:0", "--json"]


def put(people: People, name: str, address: str, keys: NodeKeys, *, routing: bool = False) -> None:
    """Put anybody into the directory's file."""
    record = IdentityRecord(
        name=ShinkaiName.parse(name),
        encryption_key=keys.encryption.public,
        signature_key=keys.signature.public_key,
        routing=routing,
        address_or_proxy_nodes=(address,),
    )
    beside = people.root / "beside"
    beside.write_bytes(with_record(people.directory.read_bytes(), record, FileDirectoryConfig()))
    beside.replace(people.directory)
