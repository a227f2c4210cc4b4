"""Running a command: the event loop, the ways in which it is asked to stop, and what the system lets it open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from p2pstack.cli.arguments import CommandError

try:
    import resource
except ImportError:  # not on Windows
    _HAS_LIMITS = False
else:
    _HAS_LIMITS = True

__all__ = ["loop_factory", "raise_descriptor_limit", "read_stdin", "run", "stop_requests"]

T = TypeVar("T")

_CHUNK = 65_536


def loop_factory(name: str | None) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop ``name``; None: uvloop where it is installed, else asyncio's.

    Raises:
        CommandError: uvloop is asked for and not there.
    """
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError as error:
        if name == "uvloop":
            raise CommandError("uvloop is not installed: pip install 'p2pstack[uvloop]'") from error
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def run(main: Coroutine[Any, Any, T], loop: str | None = None) -> T:
    """Run ``main`` on a new event loop and return what it returns.

    Raises:
        KeyboardInterrupt: SIGINT came; ``main`` was cancelled and has cleaned up.
    """
    try:
        factory = loop_factory(loop)
        _fill_standard_descriptors()
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)
    finally:
        main.close()  # which does nothing, unless it has never begun


def _fill_standard_descriptors() -> None:
    """Open what is closed of stdin, stdout and stderr: a socket would get its number, and with it what is printed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system gives the lowest number that is free


@contextlib.contextmanager
def stop_requests(*, stdin: bool) -> Iterator[asyncio.Event]:
    """Give an event that is set when the process is to stop: at SIGTERM and, with ``stdin``, at the end of stdin."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    with contextlib.ExitStack() as stack:
        # Windows has no SIGTERM to wait for, and outside of the main thread there are no signals.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signal.SIGTERM, stop.set)
            stack.callback(loop.remove_signal_handler, signal.SIGTERM)
        if stdin:
            _watch_stdin(loop, stop, stack)
        yield stop


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, stack: contextlib.ExitStack) -> None:
    """Set ``stop`` at the end of stdin; what comes before it is thrown away. Without a stdin nothing is watched."""
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # none, closed, or not a real file
        return

    def discard() -> None:
        if not _read(descriptor):
            loop.remove_reader(descriptor)
            stop.set()

    try:
        loop.add_reader(descriptor, discard)
    except (NotImplementedError, OSError):
        # A file or /dev/null can't be polled, nor can anything but a socket on Windows. The thread may hang in its read
        # for ever: it is a daemon, so the process ends all the same.
        threading.Thread(target=_drain, args=(descriptor, loop, stop), daemon=True).start()
    else:
        stack.callback(loop.remove_reader, descriptor)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except OSError:
        return b""


def _drain(descriptor: int, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while _read(descriptor):
        pass
    with contextlib.suppress(RuntimeError):  # the loop is closed already
        loop.call_soon_threadsafe(stop.set)


async def read_stdin() -> AsyncIterator[bytes]:
    """Give what comes from stdin, piece by piece, not faster than it is taken; nothing where there is no stdin."""
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # none, closed, or not a real file
        return
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue(1)

    def read() -> None:
        # The loop may end while this waits.
        with contextlib.suppress(CancelledError, RuntimeError):
            while True:
                piece = _read(descriptor)
                putting = pieces.put(piece)
                try:
                    asyncio.run_coroutine_threadsafe(putting, loop).result()
                finally:
                    putting.close()
                if not piece:
                    return

    # As above: a daemon, since its read may hang for ever.
    threading.Thread(target=read, daemon=True).start()
    while piece := await pieces.get():
        yield piece


def raise_descriptor_limit() -> None:
    """Allow the process as many open files as it may have without further rights."""
    if not _HAS_LIMITS:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS says "infinity" and refuses it.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
