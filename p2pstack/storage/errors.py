"""What can go wrong with a file (SHK-40, SHK-41, PEERS-08).

::

    StorageError            the file can't be opened, read or written; nothing of the operation was kept
    ├── StorageLocked       another process has it open
    ├── SchemaTooNew        a newer version of the program has written it
    └── StorageDamaged      it is no database, or one with holes in it
"""

from __future__ import annotations

from p2pstack.errors import P2PError

__all__ = ["SchemaTooNew", "StorageDamaged", "StorageError", "StorageLocked"]


class StorageError(P2PError):
    """The file can't be opened, read or written, or is none of ours. What was asked for was not done."""


class StorageLocked(StorageError):
    """Another process has the file open: two programs never share one (SHK-40)."""


class SchemaTooNew(StorageError):
    """The file was written by a newer version of the program, and is left as it is (SHK-41)."""


class StorageDamaged(StorageError):
    """SQLite finds no database in the file, or one that is damaged. It is left as it is (PEERS-08)."""
