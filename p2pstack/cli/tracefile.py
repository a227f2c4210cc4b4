"""Traces as files: one JSON object a line, written by a host's trace sink and read by ``p2pstack trace``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from p2pstack.cli.arguments import CommandError

__all__ = ["TraceFile", "read_trace"]


class TraceFile:
    """Writes the events of a host to a file; :meth:`sink` is what the host is given. Use it with ``with``.

    A sink must not raise: when the disk is full the trace ends there, and leaving the block says so.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._error: OSError | None = None

    def sink(self, event: Mapping[str, object]) -> None:
        """Write one event."""
        if self._error is None:
            try:
                self._file.write(json.dumps(event, separators=(",", ":")) + "\n")
            except OSError as error:
                self._error = error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:
            self._error = self._error or failure
        if self._error is not None and error is None:
            raise self._error


def read_trace(path: Path) -> Iterator[dict[str, object]]:
    """Read the events of a trace, one after another; files of any size.

    Raises:
        CommandError: a line is no event; it says which.
        OSError: the file can't be read.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not (isinstance(event, dict) and isinstance(event.get("name"), str) and _is_time(event.get("time"))):
                raise CommandError(f"{path}, line {number}, is no event of a trace")
            yield event


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
