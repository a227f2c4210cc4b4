"""A directory of what the program knows (SHK-60)."""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.shinkai.directory.errors import IdentityNotFound
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["MemoryDirectory"]


class MemoryDirectory:
    """Records in memory."""

    def __init__(self, records: Iterable[IdentityRecord] = ()) -> None:
        self._records = {record.name: record for record in records}

    def add(self, record: IdentityRecord) -> None:
        """Put a record in, in place of one of the same name."""
        self._records[record.name] = record

    def remove(self, name: ShinkaiName) -> bool:
        """Take the record of the node of ``name`` out; whether there was one."""
        return self._records.pop(name.node, None) is not None

    async def lookup(self, name: ShinkaiName) -> IdentityRecord:
        """Return what is known of the node of ``name``.

        Raises:
            IdentityNotFound: nothing is.
        """
        record = self._records.get(name.node)
        if record is None:
            raise IdentityNotFound(f"nobody is known as {name.node_name}")
        return record

    async def close(self) -> None:
        """Do nothing: there is nothing to end."""
