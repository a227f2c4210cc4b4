from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.kad.records import Record, rfc3339
from tests.kad.making import peer
from tests.vectors import load

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.req("KAD-01")
def test_a_record_comes_back_as_it_was_written() -> None:
    record = Record(key=b"/a/b", value=b"c", time_received=b"then", publisher=peer(1), ttl=77)
    assert Record.decode(record.encode()) == record
    assert Record.decode(b"") == Record(key=b"", value=b"")
    assert Record(key=b"", value=b"").encode() == b""


@pytest.mark.req("KAD-01")
def test_rusts_own_fields_are_read() -> None:
    frame = next(
        bytes.fromhex(case["frame"])
        for case in load("kad")["requests"]
        if case["impl"] == "rust" and case["note"].startswith("PUT_VALUE")
    )
    record = Record.decode(frame[frame.index(b"\x1a\x40") + 2 :])
    assert (record.key, record.value) == (b"/test/key", b"value")
    assert str(record.publisher) == "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
    assert 129_000 < record.ttl <= 129_600
    assert b"\xd2\x29" in record.encode()
    assert b"\xc8\x30" in record.encode()
    assert record.encode() == frame[frame.index(b"\x1a\x40") + 2 :]


@pytest.mark.req("KAD-01")
def test_a_publisher_that_is_none_is_left_out() -> None:
    assert Record.decode(b"\xd2\x29\x03abc\x0a\x01k") == Record(key=b"k", value=b"")


def test_what_is_no_record_is_an_error() -> None:
    with pytest.raises(DecodeError):
        Record.decode(b"\x0a\xff")


@pytest.mark.req("KAD-05")
@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, b"1970-01-01T00:00:00Z"),
        (1_795_564_489_254_943_273, b"2026-11-24T23:54:49.254943273Z"),
        (1_795_564_489_254_900_000, b"2026-11-24T23:54:49.2549Z"),
        (951_782_399_000_000_001, b"2000-02-28T23:59:59.000000001Z"),
        (951_782_400_000_000_000, b"2000-02-29T00:00:00Z"),
        (951_868_800_000_000_000, b"2000-03-01T00:00:00Z"),
        (4_107_542_400_000_000_000, b"2100-03-01T00:00:00Z"),
    ],
)
def test_times_are_written_as_go_does(nanoseconds: int, text: bytes) -> None:
    assert rfc3339(nanoseconds) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_those_of_the_calendar(when: datetime) -> None:
    microseconds = (when - EPOCH) // timedelta(microseconds=1)
    text = rfc3339(microseconds * 1_000).decode()
    assert datetime.fromisoformat(text[:19] + "Z") == when.replace(microsecond=0)
    assert float("0" + text[19:-1]) == pytest.approx(when.microsecond / 1e6)
