from __future__ import annotations

import asyncio
import gc
import logging
import sys
from typing import Any, cast

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.aio.tasks import Handler, HandlerEntry, TaskSet, background, supervise
from p2pstack.aio.waiter import Waiter
from p2pstack.errors import ProtocolViolation, StreamReset
from tests.aio.shell import Side, fake_link, linked, until

EAGER = [False, True]


class StubStream:
    """What the supervisor needs of a stream; ``fate`` is what it did to it."""

    def __init__(self, protocol: str = "/x/1") -> None:
        self.protocol = protocol
        self.connection = "a connection"
        self.fate: list[str] = []

    def reset(self, code: int = 0) -> None:
        self.fate.append("reset")

    def finish(self) -> None:
        self.fate.append("finished")


def start(tasks: TaskSet, handler: Handler, *, eager: bool, max_streams: int = 8) -> tuple[StubStream, bool]:
    stream = StubStream()
    entry = HandlerEntry(handler, eager, max_streams)
    return stream, tasks.start(entry, cast("Stream", stream))


def new_tasks() -> TaskSet:
    return TaskSet(asyncio.get_running_loop())


@pytest.mark.parametrize("eager", EAGER)
async def test_when_a_handler_returns_its_stream_is_closed(eager: bool) -> None:
    async def handler(_: Stream) -> None:
        await asyncio.sleep(0)

    tasks = new_tasks()
    stream, started = start(tasks, handler, eager=eager)
    assert started
    assert len(tasks) == 1
    await until(lambda: not len(tasks))
    assert stream.fate == ["finished"]


@pytest.mark.req("GEN-01")
@pytest.mark.parametrize("eager", EAGER)
async def test_an_error_of_p2pstack_resets_the_stream_and_is_no_fault_of_the_program(
    eager: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_: Stream) -> None:
        await asyncio.sleep(0)
        raise ProtocolViolation("/x/1", "nonsense")

    tasks = new_tasks()
    with caplog.at_level(logging.DEBUG, "p2pstack.aio"):
        stream, _ = start(tasks, handler, eager=eager)
        await until(lambda: not len(tasks))
    assert stream.fate == ["reset"]
    [record] = caplog.records
    assert record.levelno == logging.DEBUG
    assert record.getMessage() == "a connection: handler of /x/1: /x/1: nonsense"


@pytest.mark.req("GEN-01")
@pytest.mark.parametrize("eager", EAGER)
@pytest.mark.parametrize("waits", [False, True])
async def test_a_bug_in_a_handler_is_logged_with_its_traceback_and_costs_the_stream(
    eager: bool, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_: Stream) -> None:
        if waits:
            await asyncio.sleep(0)
        raise KeyError("a bug")

    tasks = new_tasks()
    stream, started = start(tasks, handler, eager=eager)
    assert started
    await until(lambda: stream.fate)
    await until(lambda: not len(tasks))
    assert stream.fate == ["reset"]
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is KeyError


@pytest.mark.parametrize("eager", EAGER)
async def test_cancelling_ends_every_handler_and_resets_its_stream(eager: bool) -> None:
    cleaned: list[str] = []

    async def handler(_: Stream) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("up")

    tasks = new_tasks()
    streams = [start(tasks, handler, eager=eager)[0] for _ in range(3)]
    await asyncio.sleep(0)
    running = tasks.cancel()
    assert len(running) == 3
    await asyncio.wait(running)
    assert [stream.fate for stream in streams] == [["reset"]] * 3
    assert all(task.cancelled() for task in running)
    assert cleaned == ["up"] * 3
    assert len(tasks) == 0


@pytest.mark.parametrize("eager", EAGER)
async def test_a_handler_that_is_cancelled_before_its_task_has_run_may_clean_up(eager: bool) -> None:
    cleaned: list[str] = []

    async def handler(_: Stream) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    tasks = new_tasks()
    stream, _ = start(tasks, handler, eager=eager)
    running = tasks.cancel()
    await asyncio.wait(running)
    has_begun = eager or sys.version_info >= (3, 12)
    assert cleaned == (["up"] if has_begun else [])
    assert stream.fate == (["reset"] if has_begun else [])


async def test_the_supervisor_passes_a_cancellation_on() -> None:
    stream = StubStream()

    async def handler(_: Stream) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await supervise(handler, cast("Stream", stream))
    assert stream.fate == ["reset"]


@pytest.mark.req("GEN-01")
@pytest.mark.parametrize("eager", EAGER)
async def test_a_handler_that_is_cancelled_in_its_first_step_costs_its_stream_only(eager: bool) -> None:
    """It awaited a future that had been cancelled: the cancellation must not reach whoever started it."""
    dead = asyncio.get_running_loop().create_future()
    dead.cancel()

    async def handler(_: Stream) -> None:
        await dead

    tasks = new_tasks()
    stream, started = start(tasks, handler, eager=eager)
    assert started
    await until(lambda: stream.fate and not len(tasks))
    assert stream.fate == ["reset"]


@pytest.mark.parametrize("eager", EAGER)
async def test_no_more_handlers_of_a_protocol_run_than_its_limit_allows(eager: bool) -> None:
    proceed = asyncio.Event()

    async def handler(_: Stream) -> None:
        await proceed.wait()

    tasks = new_tasks()
    assert [start(tasks, handler, eager=eager, max_streams=2)[1] for _ in range(3)] == [True, True, False]
    other = StubStream("/y/1")
    assert tasks.start(HandlerEntry(handler, eager, 1), cast("Stream", other)), "another protocol has its own limit"
    proceed.set()
    await until(lambda: not len(tasks))
    proceed.clear()
    assert start(tasks, handler, eager=eager, max_streams=1)[1], "what has ended makes room"
    for task in tasks.cancel():
        await asyncio.wait([task])


async def test_an_eager_handler_has_taken_its_first_step_before_start_returns() -> None:
    steps: list[str] = []
    waiter = Waiter(asyncio.get_running_loop())

    async def handler(_: Stream) -> None:
        steps.append("first")
        await waiter
        steps.append("second")

    tasks = new_tasks()
    stream, _ = start(tasks, handler, eager=True)
    assert steps == ["first"]
    assert stream.fate == []
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(waiter.wake)
    await until(lambda: not len(tasks))
    assert steps == ["first", "second"]
    assert stream.fate == ["finished"]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there the first step runs in the task already")
async def test_a_wake_between_the_first_step_and_the_task_is_not_lost() -> None:
    waiter = Waiter(asyncio.get_running_loop())

    async def handler(_: Stream) -> None:
        await waiter

    tasks = new_tasks()
    stream, _ = start(tasks, handler, eager=True)
    waiter.wake()
    await until(lambda: not len(tasks))
    assert stream.fate == ["finished"]


@pytest.mark.parametrize("fate", ["finished", "reset"])
async def test_an_eager_handler_that_ends_in_its_first_step_needs_no_task(fate: str) -> None:
    async def handler(_: Stream) -> None:
        if fate == "reset":
            raise StreamReset(7)

    tasks = new_tasks()
    stream, started = start(tasks, handler, eager=True)
    assert started
    assert stream.fate == [fate]
    assert len(tasks) == 0


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="every handler starts eagerly there")
async def test_a_handler_that_is_not_eager_starts_in_a_task() -> None:
    steps: list[object] = []

    async def handler(_: Stream) -> None:
        steps.append(asyncio.current_task())

    tasks = new_tasks()
    start(tasks, handler, eager=False)
    assert steps == []
    await until(lambda: steps)
    assert steps[0] is not None


@pytest.mark.parametrize("first_waits", [False, True])
async def test_asyncio_timeout_works_in_every_handler_that_is_not_eager(first_waits: bool) -> None:
    outcome: list[str] = []

    async def handler(_: Stream) -> None:
        if first_waits:
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            outcome.append("timed out")

    tasks = new_tasks()
    stream, _ = start(tasks, handler, eager=False)
    await until(lambda: not len(tasks))
    assert outcome == ["timed out"]
    assert stream.fate == ["finished"]


async def test_asyncio_timeout_works_in_an_eager_handler_once_it_has_waited() -> None:
    outcome: list[str] = []

    async def handler(_: Stream) -> None:
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            outcome.append("timed out")

    tasks = new_tasks()
    stream, _ = start(tasks, handler, eager=True)
    await until(lambda: not len(tasks))
    assert outcome == ["timed out"]
    assert stream.fate == ["finished"]


async def test_errors_and_values_pass_the_seam_between_the_first_step_and_the_task() -> None:
    """What is awaited across it gives its result, or raises, as in any task."""
    loop = asyncio.get_running_loop()
    first, second, third = (loop.create_future() for _ in range(3))
    seen: list[Any] = []

    async def handler(_: Stream) -> None:
        seen.append(await first)
        try:
            await second
        except ValueError as error:
            seen.append(error)
        seen.append(await third)

    tasks = new_tasks()
    stream, _ = start(tasks, handler, eager=True)
    first.set_result(1)
    await until(lambda: seen)
    error = ValueError("two")
    second.set_exception(error)
    await until(lambda: len(seen) == 2)
    third.set_result(3)
    await until(lambda: not len(tasks))
    assert seen == [1, error, 3]
    assert stream.fate == ["finished"]


async def test_a_cancellation_reaches_an_eager_handler_at_its_first_wait_and_it_may_end_well() -> None:
    async def handler(_: Stream) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    tasks = new_tasks()
    stream, _ = start(tasks, handler, eager=True)
    await asyncio.sleep(0)
    [task] = tasks.cancel()
    await asyncio.wait([task])
    assert stream.fate == ["finished"]


@pytest.mark.parametrize("eager", EAGER)
async def test_the_first_answer_of_a_handler(eager: bool) -> None:
    """An eager one's travels with the answer of the negotiation, in one write; so do all from Python 3.12 on."""

    async def handler(stream: Stream) -> None:
        stream.write(b"at once")

    side = Side(2)
    side.handle("/greet/1", handler, eager=eager)
    async with fake_link(side) as link:
        stream = link.machine.open_stream(["/greet/1"], 0.0)
        await link.transport.feed(b"".join(link.machine.data_to_send()))
        [at_once, *_] = link.transport.written
        link.transport.written.clear()
        link.machine.receive_data(at_once, 0.0)
        assert stream.protocol == "/greet/1"
        assert bool(stream.received) == (eager or sys.version_info >= (3, 12))
        await until(lambda: not len(link.connection.handlers))


@pytest.mark.parametrize("eager", EAGER)
async def test_a_handler_serves_its_stream_on_a_real_connection(eager: bool) -> None:
    async def double(stream: Stream) -> None:
        while data := await stream.read():
            stream.write(data * 2)
            await stream.drain()

    server = Side(2)
    server.handle("/double/1", double, eager=eager)
    async with linked(server=server) as link:
        stream = await link.outbound.open_stream("/double/1")
        for word in (b"one", b"two"):
            stream.write(word)
            assert await stream.read_exactly(6) == word * 2
        stream.close_write()
        assert await stream.read() == b""
        await until(lambda: not len(link.inbound.handlers))
        assert link.inbound.streams == []


async def test_what_ends_in_the_background_by_an_error_is_told_once() -> None:
    told: list[dict[str, Any]] = []
    may_end = asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        raise ZeroDivisionError("by nothing")

    async def wait() -> None:
        await asyncio.Event().wait()

    async def give() -> int:
        return 7

    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        failing, waiting, giving = (background(each(), "the DHT") for each in (work, wait, give))
        may_end.set()
        await until(lambda: told)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await giving == 7
        message = "a task of the DHT has ended by an error: by nothing"
        assert told == [{"message": message, "exception": failing.exception(), "task": failing}]
        del failing
        gc.collect()
        assert len(told) == 1
    finally:
        loop.set_exception_handler(handler)


async def test_by_default_the_log_has_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ZeroDivisionError("by nothing")

    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(None)
    try:
        task = background(work(), "mDNS")
        await asyncio.wait([task])
        await until(lambda: caplog.records)
    finally:
        loop.set_exception_handler(handler)
    (record,) = caplog.records
    assert "a task of mDNS has ended by an error: by nothing" in record.getMessage()
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
