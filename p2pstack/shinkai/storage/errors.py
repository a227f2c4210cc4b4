"""What can go wrong with a node's file (SHK-40, SHK-41).

::

    StorageError            the file can't be opened, read or written; nothing of the operation was kept
    ├── StorageLocked       another process has it open
    └── SchemaTooNew        a newer version of the program has written it
"""

from __future__ import annotations

from p2pstack.errors import P2PError

__all__ = ["SchemaTooNew", "StorageError", "StorageLocked"]


class StorageError(P2PError):
    """The file can't be opened, read or written, or is none of ours. What was asked for was not done."""


class StorageLocked(StorageError):
    """Another process has the file open: two nodes never share one (SHK-40)."""


class SchemaTooNew(StorageError):
    """The file was written by a newer version of the program, and is left as it is (SHK-41)."""
