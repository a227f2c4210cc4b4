"""What a directory knows of a node (SHK-60, SHK-61)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.directory.errors import InvalidIdentity
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.errors import InvalidKey, InvalidName, shown
from p2pstack.shinkai.keys import EncryptionPublicKey, public_from_hex
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["DEFAULT_PORT", "MAX_ADDRESS", "MAX_ADDRESSES", "IdentityRecord", "read_record"]

MAX_ADDRESSES = 16
"""Addresses of a node. Against a record that makes us dial a list of its choice."""

MAX_ADDRESS = 300
"""Characters of one of them."""

DEFAULT_PORT = 9_552
"""Where a node listens whose address names no port."""

_NOWHERE = "localhost:9550"
"""What stands for no address at all, as in the original."""

_PROXY_ENDINGS = (".sepolia-shinkai", ".shinkai", ".sep-shinkai")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRecord:
    """A node. With ``routing`` it is reached through a proxy; ``address_or_proxy_nodes`` is as the directory has it."""

    name: ShinkaiName
    encryption_key: EncryptionPublicKey
    signature_key: PublicKey
    routing: bool = False
    address_or_proxy_nodes: tuple[str, ...] = ()

    @property
    def peer_id(self) -> PeerId:
        """The libp2p peer that a node of today is (SHK-07)."""
        return self.signature_key.peer_id

    @property
    def proxy(self) -> ShinkaiName | None:
        """The node whose addresses stand for this one's: the first address that is a name, or None (SHK-61)."""
        for address in self.address_or_proxy_nodes:
            host = address.partition(":")[0]
            if host.endswith(_PROXY_ENDINGS):
                try:
                    return ShinkaiName.parse(host)
                except InvalidName:
                    continue
        return None

    @property
    def first_address(self) -> Endpoint:
        """Where the node is, by the first address that is not empty; ``localhost:9550`` where there is none (SHK-61).

        Raises:
            InvalidIdentity: it is no host and port.
        """
        text = next((address for address in self.address_or_proxy_nodes if address), _NOWHERE)
        return _endpoint(text)


def _endpoint(text: str) -> Endpoint:
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    host = rest.partition("/")[0]
    if host.startswith("localhost:"):
        host = "127.0.0.1" + host.removeprefix("localhost")
    if ":" not in host or host.endswith("]"):
        host += f":{ {'https': 443, 'http': 80}.get(scheme, DEFAULT_PORT) }"
    try:
        return Endpoint.parse(host)
    except ValueError as error:
        raise InvalidIdentity(f"the address {shown(text)} is no host and port") from error


def read_record(
    name: ShinkaiName, encryption_key: object, signature_key: object, routing: object, addresses: object
) -> IdentityRecord:
    """Make a record of what a directory holds, whoever wrote it.

    Raises:
        InvalidIdentity: a key is none, something is of another kind, or there are too many or too long addresses.
    """
    try:
        return IdentityRecord(
            name=name.node,
            encryption_key=EncryptionPublicKey.from_hex(_text(name, "encryption_key", encryption_key)),
            signature_key=public_from_hex(_text(name, "signature_key", signature_key)),
            routing=_flag(name, routing),
            address_or_proxy_nodes=_addresses(name, addresses),
        )
    except InvalidKey as error:
        raise InvalidIdentity(f"{name.node_name}: a key is 64 hex digits") from error


def _text(name: ShinkaiName, field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidIdentity(f"{name.node_name}: {field} is no text")
    return value


def _flag(name: ShinkaiName, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidIdentity(f"{name.node_name}: routing is neither true nor false")
    return value


def _addresses(name: ShinkaiName, value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InvalidIdentity(f"{name.node_name}: address_or_proxy_nodes is no list")
    if len(value) > MAX_ADDRESSES:
        raise InvalidIdentity(f"{name.node_name}: {len(value)} addresses, {MAX_ADDRESSES} are allowed")
    for address in value:
        if not isinstance(address, str) or len(address) > MAX_ADDRESS:
            raise InvalidIdentity(f"{name.node_name}: an address is a text of at most {MAX_ADDRESS} characters")
    return tuple(value)
