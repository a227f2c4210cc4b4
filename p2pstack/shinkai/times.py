"""Points in time as messages carry them: ``2025-06-02T12:34:56.789Z``, in UTC, cut to milliseconds (SHK-28).

Nothing here reads the clock: seconds since 1970 come in and go out.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone

from p2pstack.errors import LocalError
from p2pstack.shinkai.errors import InvalidTime, shown

__all__ = ["format_time", "parse_time"]

_RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9})[0-9]*)?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-5][0-9]))"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ROUNDING = 0.001
"""Milliseconds that are added before cutting: a float of today's seconds is off by up to 0.00024 ms."""


def format_time(seconds: float) -> str:
    """Return the text of a point in time, given in seconds since 1970.

    Raises:
        LocalError: the year is not 1 to 9999.
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=math.floor(seconds * 1000 + _ROUNDING))
    except (OverflowError, ValueError) as error:
        raise LocalError(f"there is no date for {seconds} seconds since 1970") from error
    return (
        moment.strftime("%Y").rjust(4, "0") + moment.strftime("-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    )


def parse_time(text: str) -> float:
    """Return the seconds since 1970 of a point in time in the form of RFC 3339, in any time zone.

    Messages are taken with any text as their time: this is for who looks at it.

    Raises:
        InvalidTime: it is none.
    """
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise InvalidTime(f"{shown(text)} is no point in time", requirement="SHK-28")
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = found.groups()
    try:
        zone = (
            timezone(timedelta(hours=int(zone_hour), minutes=int(zone_minute)) * (1 if sign == "+" else -1))
            if sign
            else UTC
        )
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=zone)
    except ValueError as error:
        raise InvalidTime(f"{shown(text)} is no point in time: {error}", requirement="SHK-28") from error
    return (moment - _EPOCH).total_seconds() + (float(f"0.{fraction}") if fraction else 0.0)
