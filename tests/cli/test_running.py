from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from p2pstack.cli import running
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.running import loop_factory, raise_descriptor_limit, read_stdin, run, stop_requests
from tests.cli.commands import Stdin


async def name_of_the_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_the_loop_that_is_asked_for_runs() -> None:
    assert run(name_of_the_loop(), "asyncio").startswith("asyncio")
    pytest.importorskip("uvloop")
    assert run(name_of_the_loop(), "uvloop").startswith("uvloop")
    assert run(name_of_the_loop()).startswith("uvloop")


def test_without_uvloop_asyncio_runs_and_uvloop_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory(None) is asyncio.new_event_loop
    with pytest.raises(CommandError, match="uvloop is not installed"):
        run(name_of_the_loop(), "uvloop")


def test_what_never_begins_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "loop_factory", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(main := name_of_the_loop())
    assert main.cr_frame is None


def test_sigint_cancels_and_lets_clean_up() -> None:
    ended = []

    async def wait() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        run(wait(), "asyncio")
    assert ended == [True]


async def test_sigterm_stops() -> None:
    with stop_requests(stdin=False) as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()


async def test_the_end_of_stdin_stops_and_nothing_before_it(stdin: Stdin) -> None:
    with stop_requests(stdin=True) as stop:
        stdin.write(b"anything\n")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not stop.is_set()
        stdin.close()
        await stop.wait()


async def test_stdin_is_left_alone_afterwards(stdin: Stdin) -> None:
    with stop_requests(stdin=True) as stop:
        pass
    stdin.close()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not stop.is_set()


async def test_a_stdin_that_can_not_be_polled_is_read_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "input"
    path.write_text("lines\n" * 100_000)
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        with stop_requests(stdin=True) as stop:
            await stop.wait()


def test_a_thread_that_reads_stdin_outlives_its_loop_quietly(stdin: Stdin) -> None:
    async def only_make_the_event() -> tuple[asyncio.AbstractEventLoop, asyncio.Event]:
        return asyncio.get_running_loop(), asyncio.Event()

    loop, stop = run(only_make_the_event(), "asyncio")
    stdin.close()
    running._drain(sys.stdin.fileno(), loop, stop)
    assert not stop.is_set()


async def test_a_stdin_that_is_broken_is_at_its_end() -> None:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    try:
        assert running._read(descriptor) == b""
    finally:
        os.close(descriptor)


async def test_without_stdin_only_signals_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with stop_requests(stdin=True) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()


async def test_outside_of_the_main_thread_there_are_no_signals(stdin: Stdin) -> None:
    async def until_stopped() -> bool:
        with stop_requests(stdin=True) as stop:
            stdin.close()
            await stop.wait()
            return True

    assert await asyncio.to_thread(run, until_stopped())
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_closed_standard_descriptors_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def fstat(descriptor: int) -> None:
        if descriptor != 1:
            raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fstat)
        patched.setattr(os, "open", lambda path, flags: opened.append((path, flags)))
        running._fill_standard_descriptors()
    assert opened == [(os.devnull, os.O_RDWR)] * 2


def test_the_limit_of_open_files_is_raised_to_what_is_allowed() -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
        raise_descriptor_limit()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_where_there_are_no_limits_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(running, "_HAS_LIMITS", False)
    monkeypatch.setattr(resource, "getrlimit", lambda _: pytest.fail("asked for a limit"))
    raise_descriptor_limit()


async def test_stdin_comes_in_pieces_until_its_end(stdin: Stdin) -> None:
    pieces = read_stdin()
    stdin.write(b"one")
    assert await anext(pieces) == b"one"
    stdin.write(b"two\n")
    assert await anext(pieces) == b"two\n"
    stdin.close()
    assert [piece async for piece in pieces] == []


async def test_without_a_stdin_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert [piece async for piece in read_stdin()] == []


def test_a_loop_that_ends_before_stdin_leaves_no_complaint(stdin: Stdin) -> None:
    async def take_one() -> bytes:
        return await anext(read_stdin())

    for text in (b"first", b"more", b"and more"):
        stdin.write(text)
    assert run(take_one(), "asyncio").startswith(b"first")
    stdin.close()
    for thread in threading.enumerate():
        if thread.daemon:
            thread.join(10)
