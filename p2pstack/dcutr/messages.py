"""The two messages of a hole punch, as bytes (DCUTR-01)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from p2pstack.errors import DecodeError
from p2pstack.wire import Buffer, protobuf
from p2pstack.wire.pb.dcutr_pb2 import HolePunch as Wire

__all__ = ["DCUTR", "MAX_MESSAGE", "HolePunch", "Kind"]

DCUTR = "/libp2p/dcutr"

MAX_MESSAGE = 4_096
"""Bytes of a message, as in go and rust."""


class Kind(IntEnum):
    """What a message is for."""

    CONNECT = 100
    SYNC = 300


@dataclass(frozen=True, slots=True)
class HolePunch:
    """A message. ``addresses`` are binary multiaddrs, as they came: nothing about them is checked here (DCUTR-05)."""

    kind: Kind
    addresses: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """Return the message without the length that goes in front of it."""
        return protobuf.serialize(Wire(type=self.kind, obs_addrs=self.addresses))

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read a message; ``data`` is all of it.

        Raises:
            DecodeError: it is no protobuf, or neither a CONNECT nor a SYNC.
        """
        wire = protobuf.parse(Wire, data)
        try:
            kind = Kind(wire.type)
        except ValueError:
            raise DecodeError(f"a hole punch message of type {wire.type}", requirement="DCUTR-01") from None
        return cls(kind, tuple(wire.obs_addrs))
