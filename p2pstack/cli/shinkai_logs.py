"""What a running node prints: status lines with the time for people, JSON objects for machines, and log records."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from p2pstack.cli.output import Output, OutputGone, printable

__all__ = ["StatusLog", "log_records"]

LOGGERS = ("p2pstack", "asyncio")

MAX_RECORD = 4_000


class StatusLog:
    """Status lines: ``event`` prints one, the same for both sides."""

    def __init__(self, output: Output, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.output = output
        self._clock = clock

    def event(self, name: str, text: str, style: str = "", /, **values: object) -> None:
        """Print ``text`` for people, or ``name`` and ``values`` as JSON.

        Raises:
            OutputGone: nobody reads it.
        """
        now = self._clock()
        self.output.result({"time": now.isoformat(timespec="milliseconds"), "event": name, **values})
        self.output.line(f"{now.astimezone():%H:%M:%S} {text}", style)


@contextlib.contextmanager
def log_records(log: StatusLog, level: int) -> Iterator[None]:
    """Print what the library logs from ``level`` on: as JSON among the status lines, or on stderr for people."""
    handler = _Handler(log)
    handler.setLevel(level)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    former = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, old in zip(loggers, former, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(old)


class _Handler(logging.Handler):
    def __init__(self, log: StatusLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        level = record.levelname.lower()
        # Whoever reads us has gone: the next status line says so, in a place where that can be dealt with.
        with contextlib.suppress(OSError, OutputGone):
            if self._log.output.as_json:
                self._log.event("log", "", level=level, logger=record.name, message=text[:MAX_RECORD])
            else:
                sys.stderr.write(f"p2pstack: {level}: {printable(text, limit=MAX_RECORD)}\n")
