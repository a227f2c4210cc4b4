"""What commands print for people: lines, fields, tables and a progress bar; or JSON alone, for scripts.

A command calls both sides: :meth:`Output.result` prints JSON and is silent for people, everything else is silent with
``--json``. On a terminal rich draws, if it is installed; else, and into files and pipes, the same text is plain.
Texts that a peer has sent pass through :func:`printable`: a terminal obeys what it is sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "Output",
    "OutputGone",
    "counted",
    "data_size",
    "duration",
    "print_json",
    "print_text",
    "printable",
    "rate",
    "rough",
]

REDRAW = 0.05
"""Seconds between two looks of a progress bar."""

MAX_PRINTABLE = 400
"""Characters of a peer's text that are shown: it may send thousands (IDN-13)."""


class OutputGone(Exception):
    """Whoever reads what is printed has closed its end, as ``head`` does: there is nobody left to tell."""


def print_json(stream: TextIO, values: object) -> None:
    """Print ``values`` as a line of JSON, at once.

    Raises:
        OutputGone: nobody reads it.
    """
    print_text(stream, json.dumps(values, separators=(",", ":")))


def print_text(stream: TextIO, text: str) -> None:
    """Print ``text`` and the end of a line, at once.

    Raises:
        OutputGone: nobody reads it.
    """
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError as error:
        raise OutputGone from error


def printable(text: str, limit: int = MAX_PRINTABLE) -> str:
    """Return ``text`` on one line, with what is not printable escaped, and cut to ``limit`` characters."""
    if len(text) > limit:
        text = text[:limit] + "…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: ``42 µs``, ``1.25 ms``, ``3.2 s``."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.2f} ms"
    return f"{seconds:.2f} s"


def rough(seconds: float) -> str:
    """Return a time of waiting, no more precise than a person wants it: ``0.4 s``, ``12 s``, ``5 min``, ``2.5 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6_000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"


def data_size(size: float) -> str:
    """Return a number of bytes in the decimal unit that suits it: ``512 B``, ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.4g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"


def counted(number: int, what: str) -> str:
    """Return a number of things: ``1 peer``, ``2,000 peers``."""
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"


def rate(size: int, seconds: float) -> str:
    """Return a throughput: ``812.3 MB/s``."""
    return f"{size / max(seconds, 1e-9) / 1e6:,.1f} MB/s"


def _terminal(stream: TextIO) -> Console | None:
    """Return what draws on ``stream``: None where that is no terminal, or where rich is not installed."""
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, highlight=False, markup=False, emoji=False)


class Output:
    """Where a command prints to. ``as_json``: nothing but JSON, one object a line."""

    def __init__(self, *, as_json: bool = False, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream if stream is not None else sys.stdout
        self._console = None if as_json else _terminal(self._stream)

    def result(self, values: object) -> None:
        """Print ``values`` as a line of JSON, for scripts."""
        if self.as_json:
            print_json(self._stream, values)

    def line(self, text: str = "", style: str = "") -> None:
        """Print a line for people; ``style`` is one of rich's, and colours it on a terminal."""
        if self._console is not None:
            self._console.print(text, style=style or None, soft_wrap=True)
        elif not self.as_json:
            self._print(text)

    def heading(self, text: str) -> None:
        """Print a line that others stand below."""
        self.line(text, "bold cyan")

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Print names and values in two columns; a list of values takes a line each, an empty one a dash."""
        rows = [(name, _values(value)) for name, value in pairs]
        width = max((len(name) for name, _ in rows), default=0)
        for name, values in rows:
            for number, value in enumerate(values):
                self._field("" if number else name, value, width)

    def _field(self, name: str, value: str, width: int) -> None:
        if self._console is not None:
            from rich.text import Text

            text = Text.assemble("  ", (f"{name:<{width}}", "dim"), "  ", value)
            self._console.print(text, soft_wrap=True)
        else:
            self.line(f"  {name:<{width}}  {value}".rstrip())

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print rows below their columns' names; a column whose name begins with ``>`` stands to the right."""
        names = [column.removeprefix(">") for column in columns]
        right = [column.startswith(">") for column in columns]
        cells = [[str(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]

        def aligned(row: Sequence[str]) -> str:
            parts = zip(row, widths, right, strict=True)
            return ("  " + "  ".join(f"{c:>{w}}" if r else f"{c:<{w}}" for c, w, r in parts)).rstrip()

        self.line(aligned(names), "dim")
        for row in cells:
            self.line(aligned(row))

    @contextlib.contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how far something of ``total`` bytes is, on a terminal; gives what is told how many are done."""
        if self._console is None:
            yield _ignore
            return
        from rich import progress

        columns = (
            progress.TextColumn("  {task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
        )
        with progress.Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=total)
            due = 0.0

            def show(done: int) -> None:
                # Told of every read, thousands of times a second: drawing each would be what is measured.
                nonlocal due
                now = monotonic()
                if now >= due or done >= total:
                    due = now + REDRAW
                    bar.update(task, completed=done)

            yield show

    def _print(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        print_text(self._stream, text.encode(encoding, "replace").decode(encoding))


def _values(value: object) -> list[str]:
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, list | tuple):
        return [str(item) for item in value] or ["-"]
    return [str(value) or "-"]


def _ignore(_: int) -> None:
    """Show no progress."""
