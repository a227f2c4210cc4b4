"""Why a name could not be looked up."""

from __future__ import annotations

from p2pstack.errors import P2PError
from p2pstack.shinkai.directory import errors


def test_every_class_has_a_reason_of_its_own_and_is_drawn() -> None:
    classes = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(cls, errors.DirectoryError) and issubclass(cls, P2PError) for cls in classes)
    assert len({cls.reason for cls in classes}) == len(classes)
    assert all(cls.__name__ in (errors.__doc__ or "") for cls in classes)
