"""A directory in a JSON file that people and programs edit while it is in use (SHK-62, SHK-63)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from p2pstack.errors import DeadlineExceeded
from p2pstack.shinkai.directory import identity_file
from p2pstack.shinkai.directory.config import FileDirectoryConfig
from p2pstack.shinkai.directory.errors import DirectoryError, DirectoryUnavailable, IdentityNotFound, InvalidIdentity
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["FileDirectory"]

logger = logging.getLogger("p2pstack.shinkai")

_T = TypeVar("_T")
_Records = dict[ShinkaiName, IdentityRecord]


class FileDirectory:
    """The records in a file. Made by :meth:`open`; ``problem`` is what is wrong with the file as it is now, or None."""

    def __init__(
        self, path: Path, config: FileDirectoryConfig | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self.config = config or FileDirectoryConfig()
        self.problem: DirectoryError | None = None
        self._clock = clock
        self._records: _Records = {}
        self._stamp: identity_file.Stamp | None = None
        self._checked = 0.0
        self._lock = asyncio.Lock()

    @classmethod
    async def open(
        cls, path: Path, config: FileDirectoryConfig | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> FileDirectory:
        """Read a file; one that does not exist is an empty directory, until it does.

        Raises:
            InvalidIdentity: something in it can't be used; the error names the entry.
            DirectoryUnavailable: it can't be read.
            DeadlineExceeded: that took longer than ``timeout``.
        """
        directory = cls(path, config, clock=clock)
        await directory._follow()
        if directory.problem is not None:
            raise directory.problem
        return directory

    @property
    def names(self) -> list[ShinkaiName]:
        """The nodes that are known, as of the last look at the file."""
        return list(self._records)

    async def lookup(self, name: ShinkaiName) -> IdentityRecord:
        """Return what is known of the node of ``name``.

        A file that can't be used any more leaves what was read before in its place, and ``problem`` says so.

        Raises:
            IdentityNotFound: nothing is.
            DeadlineExceeded: looking at the file took longer than ``timeout``.
        """
        if self._clock() - self._checked >= self.config.check_interval:
            await self._follow()
        record = self._records.get(name.node)
        if record is None:
            raise IdentityNotFound(f"{self.path} knows nobody of the name {name.node_name}")
        return record

    async def add(self, record: IdentityRecord) -> None:
        """Write a record into the file, in place of one of the same name.

        Raises:
            InvalidIdentity: the file can't be used as it is, and is left so.
            DirectoryUnavailable: it can't be read or written.
            DeadlineExceeded: that took longer than ``timeout``; the record may be written or not.
        """
        await self._change(lambda data: identity_file.with_record(data, record, self.config))

    async def remove(self, name: ShinkaiName) -> bool:
        """Take the record of the node of ``name`` out of the file; whether there was one.

        Raises:
            InvalidIdentity: the file can't be used as it is, and is left so.
            DirectoryUnavailable: it can't be read or written.
            DeadlineExceeded: that took longer than ``timeout``; the record may be gone or not.
        """
        return await self._change(lambda data: identity_file.without_record(data, name, self.config))

    async def close(self) -> None:
        """Do nothing: there is nothing to end."""

    async def _change(self, edit: Callable[[bytes], bytes | None]) -> bool:
        def change() -> bool:
            old = identity_file.read(self.path, self.config)
            try:
                data = edit(old)
                if data is None:
                    return False
                identity_file.parse(data, self.config)  # nothing is written that could not be read again
            except InvalidIdentity as error:
                raise InvalidIdentity(f"{self.path}: {error}") from error
            identity_file.write(self.path, data)
            return True

        async with self._lock:
            changed = await self._in_thread(change)
        await self._follow()
        return changed

    async def _follow(self) -> None:
        """Look whether the file has changed, and read it if so."""
        async with self._lock:
            self._checked = self._clock()
            try:
                found = await self._in_thread(self._read_changed)
            except DirectoryUnavailable as error:
                self._complain(error)
                return
            if found is None:
                return
            self._stamp, outcome = found
            if isinstance(outcome, DirectoryError):
                self._complain(outcome)
            else:
                self._records = outcome
                self.problem = None

    def _complain(self, error: DirectoryError) -> None:
        if self._records and str(error) != str(self.problem):
            logger.warning("%s; what was read before stays in use", error)
        self.problem = error

    def _read_changed(self) -> tuple[identity_file.Stamp, _Records | DirectoryError] | None:
        """In the thread: the file if it is another than before, with its stamp, or what is wrong with it."""
        # The stamp comes first: what is written between the two is read again next time.
        now = identity_file.stamp(self.path)
        if now == self._stamp:
            return None
        if now == (0, 0, 0) and self._stamp is not None and self._records:
            return now, DirectoryUnavailable(f"{self.path} is gone")
        try:
            return now, identity_file.parse(identity_file.read(self.path, self.config), self.config)
        except DirectoryError as error:
            return now, type(error)(f"{self.path}: {error}")

    async def _in_thread(self, function: Callable[[], _T]) -> _T:
        try:
            async with asyncio.timeout(self.config.timeout):
                return await asyncio.to_thread(function)
        except TimeoutError:
            raise DeadlineExceeded(f"{self.path} could not be read within {self.config.timeout} s") from None
