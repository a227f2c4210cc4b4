"""Each reason for a refusal has one class and one name."""

from __future__ import annotations

from p2pstack.errors import DecodeError
from p2pstack.shinkai import errors
from p2pstack.shinkai.errors import MessageError, shown


def test_every_class_has_a_reason_of_its_own() -> None:
    classes = [getattr(errors, name) for name in errors.__all__ if name != "shown"]
    reasons = [cls.reason for cls in classes]
    assert len(set(reasons)) == len(classes) == 13
    assert all(issubclass(cls, MessageError) and issubclass(cls, DecodeError) for cls in classes)
    assert all(reason in (errors.__doc__ or "") for reason in set(reasons) - {MessageError.reason})


def test_what_is_shown_of_a_text_is_short_and_escaped() -> None:
    assert shown("a\n\ud800") == r"'a\n\ud800'"
    assert shown("x" * 80) == f"'{'x' * 80}'"
    assert shown("x" * 1_000_000) == f"'{'x' * 80}'… (1000000 characters)"
