"""Who may write what under which key: validators by namespace, and nothing without one (KAD-05, KAD-14; specs/kad.md).

A key is ``/namespace/rest``. A validator judges values by key and value alone, so that all nodes judge alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId

__all__ = ["PublicKeyValidator", "Validator", "Validators", "namespace_of", "public_key_key"]

_PUBLIC_KEY = b"/pk/"


class Validator(Protocol):
    """What the values of one namespace have to be, and which of several is best."""

    def validate(self, key: bytes, value: bytes) -> None:
        """Return if ``value`` may stand under ``key``.

        Raises:
            DecodeError: it may not.
        """

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """Return the index of the best of one or more valid values; of equally good ones, that of the first."""


def namespace_of(key: bytes) -> bytes:
    """Return the namespace of a key, without slashes.

    Raises:
        DecodeError: the key is not of the form ``/namespace/rest``.
    """
    empty, _, tail = key.partition(b"/")
    namespace, slash, rest = tail.partition(b"/")
    if empty or not namespace or not slash or not rest:
        raise DecodeError("a key has no namespace", requirement="KAD-14")
    return namespace


def public_key_key(peer: PeerId) -> bytes:
    """Return the key under which a peer's public key is stored."""
    return _PUBLIC_KEY + peer.to_bytes()


class PublicKeyValidator:
    """``/pk/``: the value is the public key whose peer id is the rest of the key; there is but one."""

    def validate(self, key: bytes, value: bytes) -> None:
        """Return if the value is the key of this peer.

        Raises:
            DecodeError: it is another one's, or none.
        """
        if PublicKey.from_protobuf(value).peer_id != PeerId(key.removeprefix(_PUBLIC_KEY)):
            raise DecodeError("a public key is not the one of its peer id", requirement="KAD-14")

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """Return 0: valid ones differ in their encoding at most."""
        return 0


class Validators:
    """The validators of a node, by namespace. ``/pk/`` is there in any case, what is not there is refused.

    Raises:
        ConfigError: a namespace is empty or has a slash.
    """

    def __init__(self, more: Mapping[str, Validator] | None = None) -> None:
        by_name: dict[bytes, Validator] = {b"pk": PublicKeyValidator()}
        for name, validator in (more or {}).items():
            if not name or "/" in name:
                raise ConfigError(f"{name!r} can't be a namespace")
            by_name[name.encode()] = validator
        self.by_namespace: Mapping[bytes, Validator] = MappingProxyType(by_name)

    def _of(self, key: bytes) -> Validator:
        namespace = namespace_of(key)
        validator = self.by_namespace.get(namespace)
        if validator is None:
            raise DecodeError("a key's namespace has no validator", requirement="KAD-14")
        return validator

    def validate(self, key: bytes, value: bytes) -> None:
        """Return if ``value`` may stand under ``key``.

        Raises:
            DecodeError: it may not, or the namespace is unknown.
        """
        self._of(key).validate(key, value)

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """Return the index of the best of one or more values that are valid.

        Raises:
            DecodeError: the namespace is unknown.
        """
        return self._of(key).select(key, values)
