"""Points in time: cut to milliseconds, and read in any form of RFC 3339."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalError
from p2pstack.shinkai.errors import InvalidTime
from p2pstack.shinkai.times import format_time, parse_time


@pytest.mark.req("SHK-28")
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1_748_867_696.789, "2025-06-02T12:34:56.789Z"),
        (1_748_867_696.7899, "2025-06-02T12:34:56.789Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (-0.25, "1969-12-31T23:59:59.750Z"),
        (-62_135_596_800, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_cut_to_milliseconds(seconds: float, text: str) -> None:
    assert format_time(seconds) == text


@pytest.mark.parametrize("seconds", [1e12, -1e12, 1e300, float("inf"), float("nan")])
def test_there_is_no_such_date(seconds: float) -> None:
    with pytest.raises(LocalError, match="no date"):
        format_time(seconds)


@pytest.mark.req("SHK-28")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-06-02T12:34:56.789Z", 1_748_867_696.789),
        ("2025-06-02t12:34:56z", 1_748_867_696),
        ("2025-06-02 14:34:56.5+02:00", 1_748_867_696.5),
        ("2025-06-02T12:04:56-00:30", 1_748_867_696),
        ("2025-06-02T12:34:56.78912345678901234567890Z", 1_748_867_696.789_123_456),
    ],
)
def test_times_are_read_in_any_zone(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.req("SHK-28")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2025-06-02",
        "2025-06-02T12:34:56",
        "2025-02-30T12:34:56Z",
        "2025-06-02T12:34:61Z",
        "2025-06-02T12:34:56+25:00",
        "2025-06-02T12:34:56+00:60",
        "2025-06-02T12:34:56.Z",
        "0000-01-01T00:00:00Z",
        "٢٠٢٥-06-02T12:34:56Z",
        "2025-06-02T12:34:56Z\n",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidTime) as caught:
        parse_time(text)
    assert caught.value.reason == "invalid-time"


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_milliseconds_survive(milliseconds: int) -> None:
    text = format_time(milliseconds / 1000)
    assert len(text) == 24
    assert format_time(parse_time(text)) == text


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidTime):
        assert isinstance(parse_time(text), float)
