"""Peers as processes: start, wait for an event with a deadline, look at them through /proc, stop.

A peer writes to files, not to pipes: nobody has to wake up and read while a measurement runs. Every wait has a
deadline, and only processes that were started here are ever stopped. Linux only, because of /proc.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

__all__ = ["Peer", "RunFailed", "listener", "run_peer"]

POLL_SECONDS = 0.01
COUNT_SECONDS = 0.05
STOP_SECONDS = 5.0
START_SECONDS = 20.0
REPOSITORY = Path(__file__).resolve().parent.parent


class RunFailed(Exception):
    """An external run gave no result; the text is the reason, fit for a table cell."""


class Peer:
    """A running peer process. Use as a context manager: it is stopped at the end, whatever happened."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start `command` with `environment` added to ours; RunFailed when it cannot be started."""
        self._output = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed in __exit__
        self._errors = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed in __exit__
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=self._errors,
                cwd=REPOSITORY,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            self._output.close()
            self._errors.close()
            raise RunFailed(f"can't start {command[0]}: {error.strerror}") from error
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._output.close()
        self._errors.close()

    def stop(self) -> None:
        """Close stdin, ask by SIGTERM, and kill what does not go."""
        self.close_stdin()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def wait_for(self, event: str, seconds: float) -> dict[str, Any]:
        """The first event of that name; RunFailed on an error event, an early end or after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self._process.poll() is not None
            if (found := self._find(event)) is not None:
                return found
            if ended:
                raise RunFailed(f"ended with status {self._process.returncode}{self._last_error()}")
            if time.monotonic() > deadline:
                raise RunFailed(f"no {event} event within {seconds:g} s")
            time.sleep(POLL_SECONDS)

    def finish(self, event: str, seconds: float) -> dict[str, Any]:
        """Wait for the end of the process, then the event of that name. Raises as :meth:`wait_for`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        if (found := self._find(event)) is not None:
            return found
        if self._process.poll() is None:
            raise RunFailed(f"no {event} event within {seconds:g} s")
        raise RunFailed(f"ended with status {self._process.returncode}{self._last_error()}")

    def close_stdin(self) -> None:
        """Ask a listener to end."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Poll until `condition()`; returns the seconds it took, RunFailed with `what` after `seconds`."""
        start = time.monotonic()
        while not condition():
            waited = time.monotonic() - start
            if self._process.poll() is not None:
                self._find("")  # an error event says more
                raise RunFailed(f"ended with status {self._process.returncode}{self._last_error()}")
            if waited > seconds:
                raise RunFailed(f"{what} not reached within {seconds:g} s")
            time.sleep(COUNT_SECONDS)
        return time.monotonic() - start

    def wait_for_descriptors(self, count: int, seconds: float) -> None:
        """Wait until the process has that many descriptors; RunFailed after `seconds`."""
        self.wait_until(lambda: self.descriptors() >= count, seconds, f"{count} descriptors")

    def rss_kib(self) -> float:
        """Resident memory in KiB, in pages as the kernel counts them."""
        pages = int(self._proc("statm").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024

    def cpu_seconds(self) -> float:
        """Time on a CPU that all threads of the process have used, to the nanosecond as the scheduler counts it."""
        threads = Path(f"/proc/{self.pid}/task")
        try:
            return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads.iterdir()) / 1e9
        except OSError as error:
            raise RunFailed("the process has ended") from error

    def descriptors(self) -> int:
        """How many files and sockets the process has open: one more for each connection, whatever the stack."""
        try:
            return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())
        except OSError as error:
            raise RunFailed("the process has ended") from error

    def _proc(self, name: str) -> str:
        try:
            return Path(f"/proc/{self.pid}/{name}").read_text()
        except OSError as error:
            raise RunFailed("the process has ended") from error

    def _find(self, event: str) -> dict[str, Any] | None:
        for line in self._lines(self._output):
            try:
                found = json.loads(line)
            except ValueError:
                continue  # a line that is still being written, or not for us
            if isinstance(found, dict) and found.get("event") == event:
                return found
            if isinstance(found, dict) and found.get("event") == "error":
                raise RunFailed(str(found.get("error")))
        return None

    def _last_error(self) -> str:
        lines = [line.strip() for line in self._lines(self._errors) if line.strip()]
        return f": {lines[-1][:160]}" if lines else ""

    @staticmethod
    def _lines(file: Any) -> list[str]:
        # pread leaves the offset alone, which the child shares and writes at.
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), size, 0).decode(errors="replace").splitlines()


@contextlib.contextmanager
def listener(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[tuple[Peer, str]]:
    """The peer that `command` starts listening, and its full address; RunFailed when it does not come up."""
    with Peer(command, environment) as peer:
        yield peer, str(peer.wait_for("listening", START_SECONDS)["addr"])


def run_peer(
    command: Sequence[str], environment: Mapping[str, str] | None, event: str, seconds: float
) -> dict[str, Any]:
    """Run a peer to its end and return the event of that name; RunFailed otherwise, or after `seconds`."""
    with Peer(command, environment) as peer:
        return peer.finish(event, seconds)
