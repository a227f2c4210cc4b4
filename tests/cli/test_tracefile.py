from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.tracefile import TraceFile, read_trace

EVENTS: list[dict[str, object]] = [
    {"time": 0.0, "connection": 1, "name": "opened", "peer": "12D3"},
    {"time": 0.5, "connection": 1, "name": "frame", "direction": "in"},
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    with TraceFile(tmp_path / "trace") as trace:
        for event in EVENTS:
            trace.sink(event)
    assert list(read_trace(tmp_path / "trace")) == EVENTS


@pytest.mark.parametrize(
    "line", ["{", "[]", '"text"', '{"name":"frame"}', '{"time":0}', '{"time":true,"name":"x"}', "\xff"]
)
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "trace"
    path.write_text('{"time":0,"name":"opened"}\n\n' + line + "\n", encoding="latin-1")
    events = read_trace(path)
    assert next(events)["name"] == "opened"
    with pytest.raises(CommandError, match="line 3, is no event"):
        next(events)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_never_raises_in_the_sink_but_at_the_end() -> None:
    event = {"time": 0.0, "name": "x" * 100_000}

    def record() -> None:
        with TraceFile(Path("/dev/full")) as trace:
            trace.sink(event)
            trace.sink(event)

    with pytest.raises(OSError, match="No space left"):
        record()


def test_an_error_of_the_program_is_not_hidden_by_the_trace(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), TraceFile(tmp_path / "trace"):
        raise ZeroDivisionError
