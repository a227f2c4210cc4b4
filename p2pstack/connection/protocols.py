"""The protocols that a host serves, found by the very bytes that ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from p2pstack.multistream.messages import HEADER, encode

__all__ = ["ProtocolTable", "opening"]


@lru_cache(maxsize=1024)
def opening(protocol: str) -> bytes:
    """Return the bytes that open a stream for ``protocol``: header and proposal, which are also the answer to them."""
    return HEADER + encode(protocol)


class ProtocolTable:
    """The set of protocol ids that inbound streams may choose from; it may change at any time (MSS-14)."""

    __slots__ = ("_by_opening", "_names")

    def __init__(self, protocols: tuple[str, ...] = ()) -> None:
        self._names: dict[str, None] = {}
        self._by_opening: dict[bytes, str] = {}
        for protocol in protocols:
            self.add(protocol)

    def add(self, protocol: str) -> None:
        """Serve ``protocol``.

        Raises:
            LocalError: it is not a protocol id that can be negotiated.
        """
        self._by_opening[opening(protocol)] = protocol
        self._names[protocol] = None

    def remove(self, protocol: str) -> None:
        """Serve ``protocol`` no longer; streams that have chosen it go on."""
        if protocol in self._names:
            del self._names[protocol]
            del self._by_opening[opening(protocol)]

    def find(self, asked: bytes) -> str | None:
        """Return the protocol that the bytes of a header and a proposal ask for, or None if it isn't served."""
        return self._by_opening.get(asked)

    def __contains__(self, protocol: object) -> bool:
        return protocol in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
