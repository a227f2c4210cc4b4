"""Value records as they stand in messages (KAD-01, KAD-05, KAD-15; specs/kad.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import DecodeError
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire import protobuf
from p2pstack.wire.pb import kad_pb2

__all__ = ["Record", "rfc3339"]

_SECOND = 1_000_000_000
_DAY = 86_400
_FROM_MARCH = 719_468
"""Days from 1 March of year 0, where the leap day is the year's last, to 1970."""

_DAYS_OF_ERA = 146_097
"""Days in 400 years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A value under its key.

    ``time_received`` is what the sender wrote, RFC 3339 in UTC or anything else: whoever receives a record sets his
    own. ``publisher`` and ``ttl`` (seconds that are left; 0: it does not say) are rust's.
    """

    key: bytes
    value: bytes
    time_received: bytes = b""
    publisher: PeerId | None = None
    ttl: int = 0

    def encode(self) -> bytes:
        """Return the record as it stands in a message."""
        raw = kad_pb2.KadRecord(key=self.key, value=self.value, time_received=self.time_received, ttl=self.ttl)
        if self.publisher is not None:
            raw.publisher = self.publisher.to_bytes()
        return protobuf.serialize(raw)

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Read a record. A publisher that is no peer id is left out: rust would refuse the record with it.

        Raises:
            DecodeError: it is no protobuf.
        """
        raw = protobuf.parse(kad_pb2.KadRecord, data)
        return cls(
            key=raw.key,
            value=raw.value,
            time_received=raw.time_received,
            publisher=_publisher(raw.publisher),
            ttl=raw.ttl,
        )


def _publisher(data: bytes) -> PeerId | None:
    try:
        return PeerId(data)
    except DecodeError:
        return None


def rfc3339(nanoseconds: int) -> bytes:
    """Return a time, in nanoseconds since 1970, as go writes it: UTC, without zeros at the end of the fraction."""
    seconds, fraction = divmod(nanoseconds, _SECOND)
    days, second = divmod(seconds, _DAY)
    # Years are counted from March: then months have their days whether the year is a leap year or not.
    era, day_of_era = divmod(days + _FROM_MARCH, _DAYS_OF_ERA)
    year = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    year += 400 * era + (month >= 10)
    month = month + 3 if month < 10 else month - 9
    clock = f"{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}"
    tail = f".{fraction:09}".rstrip("0") if fraction else ""
    return f"{year:04}-{month:02}-{day:02}T{clock}{tail}Z".encode()
