"""Cookies: how far somebody has come in the registrations of a point (RDV-08, RDV-11).

A point keeps nothing for a cookie: registrations are numbered, and the cookie says which was the last that was told.
Eight bytes and the name of the namespace, since rust's client takes cookies apart and puts them together so.
"""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import DecodeError
from p2pstack.rendezvous.protocols import read_namespace

__all__ = ["EPOCH_SIZE", "Cookie"]

EPOCH_SIZE = 3
"""Bytes that tell one life of a point from another, in which the numbers begin anew."""

_NUMBER_SIZE = 5  # at 100,000 registrations a second they last for four months
_SIZE = EPOCH_SIZE + _NUMBER_SIZE


@dataclass(frozen=True, slots=True)
class Cookie:
    """``number`` is that of the last registration that was told, 0 before the first; ``namespace`` "" means all."""

    epoch: bytes
    number: int
    namespace: str

    def to_bytes(self) -> bytes:
        """Return the cookie as it is sent."""
        return self.epoch + self.number.to_bytes(_NUMBER_SIZE, "big") + self.namespace.encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Cookie:
        """Read a cookie.

        Raises:
            DecodeError: it is too short, or does not end with the name of a namespace.
        """
        if len(data) < _SIZE:
            raise DecodeError(f"a cookie has at least {_SIZE} bytes, not {len(data)}", requirement="RDV-08")
        rest = data[_SIZE:]
        namespace = read_namespace(rest) if rest else ""
        return cls(data[:EPOCH_SIZE], int.from_bytes(data[EPOCH_SIZE:_SIZE], "big"), namespace)
