"""What a file can fail of."""

from __future__ import annotations

from p2pstack.errors import P2PError
from p2pstack.storage import errors


def test_all_are_told_apart_and_drawn() -> None:
    for name in errors.__all__:
        cls = getattr(errors, name)
        assert issubclass(cls, errors.StorageError)
        assert issubclass(cls, P2PError)
        assert name in (errors.__doc__ or "")
