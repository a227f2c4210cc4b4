"""Records for tests."""

from __future__ import annotations

from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.names import ShinkaiName


def record(name: str, number: int = 0, *addresses: str, routing: bool = False) -> IdentityRecord:
    keys = NodeKeys.unsafe_deterministic(number)
    return IdentityRecord(
        name=ShinkaiName.parse(name),
        encryption_key=keys.encryption.public,
        signature_key=keys.signature.public_key,
        routing=routing,
        address_or_proxy_nodes=addresses,
    )


ALICE = record("@@alice.shinkai", 0, "127.0.0.1:9552")
BOB = record("@@bob.shinkai", 1, "@@relay.shinkai:9552", routing=True)
