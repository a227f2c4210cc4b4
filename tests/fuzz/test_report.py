from __future__ import annotations

import pytest

from fuzz.expect import caught
from fuzz.report import Failure, Result, attempt, shrink


def target(data: bytes) -> None:
    if b"\x7f" in data and b"ok" in data:
        raise ValueError("both are there")
    assert data != b"other"


def test_an_attempt_tells_what_was_raised() -> None:
    assert attempt(target, b"\x7f") is None
    failure = attempt(target, b"ok\x7f")
    assert failure is not None
    assert failure.data == b"ok\x7f"
    assert "ValueError: both are there" in failure.text


def test_a_failure_is_shrunk_to_what_it_needs() -> None:
    failure = attempt(target, b"some o ok and more \x7f behind it" * 3)
    assert failure is not None
    assert sorted(shrink(target, failure).data) == sorted(b"ok\x7f")


def test_shrinking_does_not_turn_to_another_fault() -> None:
    def two(data: bytes) -> None:
        if len(data) > 3:
            raise ValueError("too long")
        raise TypeError("too short")

    failure = attempt(two, b"abcdefgh")
    assert failure is not None
    assert len(shrink(two, failure).data) == 4


def test_a_result_is_one_line_with_its_rate() -> None:
    line = str(Result("uvarint", "random", 500, 2.0))
    assert line.split() == ["uvarint", "random", "500", "runs", "250/s", "ok"]
    assert "0/s" in str(Result("uvarint", "random", 0, 0.0))


def test_a_failure_shows_its_input_and_how_to_repeat_it() -> None:
    text = str(Result("uvarint", "random", 1, 1.0, Failure(b"\x01\xff", "Traceback: it broke")))
    assert "FAILED" in text
    assert "Traceback: it broke" in text
    assert "input in hex: 01ff" in text
    assert 'python -m fuzz uvarint --input "01ff"' in text


def test_an_expected_error_is_returned_and_another_passes() -> None:
    error = caught(ValueError, int, "x")
    assert isinstance(error, ValueError)
    assert caught(ValueError, int, "7") is None
    with pytest.raises(TypeError):
        caught(ValueError, int, None)
