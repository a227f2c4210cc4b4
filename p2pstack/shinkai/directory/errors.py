"""Why a name could not be looked up (SHK-60).

::

    DirectoryError              ``reason`` is its name in counters and logs
    ├── IdentityNotFound        unknown-identity        there is no such name
    ├── InvalidIdentity         invalid-identity        there is, but what stands there can't be used
    └── DirectoryUnavailable    directory-unavailable   nobody knows: no file, no answer, no time left
"""

from __future__ import annotations

from typing import ClassVar

from p2pstack.errors import P2PError

__all__ = ["DirectoryError", "DirectoryUnavailable", "IdentityNotFound", "InvalidIdentity"]


class DirectoryError(P2PError):
    """A name could not be looked up; ``reason`` is a short name for why."""

    reason: ClassVar[str] = "directory-error"


class IdentityNotFound(DirectoryError):
    """The directory answered, and has no such name."""

    reason = "unknown-identity"


class InvalidIdentity(DirectoryError):
    """What the directory holds of a name can't be used: a key is none, or there is too much of it."""

    reason = "invalid-identity"


class DirectoryUnavailable(DirectoryError):
    """The directory gave no answer that can be understood: asking again later may help."""

    reason = "directory-unavailable"
