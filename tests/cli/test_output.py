from __future__ import annotations

import io
import json
import sys

import pytest

from p2pstack.cli import output as module
from p2pstack.cli.output import Output, OutputGone, data_size, duration, print_json, printable, rate, rough
from tests.cli.commands import Terminal


def plain() -> tuple[Output, io.StringIO]:
    stream = io.StringIO()
    return Output(stream=stream), stream


def everything(output: Output) -> None:
    output.heading("Heading")
    output.line("a [bold]line[/bold] :smile: 1.5", "red")
    output.fields([("name", "value"), ("list", ["one", "two"]), ("none", []), ("empty", ""), ("yes", True)])
    output.table((">number", "text"), [(1, "one"), (1000, "many")])
    with output.progress("moving", 100) as show:
        show(50)
        show(100)


PLAIN = """\
Heading
a [bold]line[/bold] :smile: 1.5
  name   value
  list   one
         two
  none   -
  empty  -
  yes    yes
  number  text
       1  one
    1000  many
"""


def test_without_a_terminal_all_is_plain_text() -> None:
    output, stream = plain()
    everything(output)
    output.result({"not": "shown"})
    assert stream.getvalue() == PLAIN


def test_with_json_there_is_nothing_but_json() -> None:
    stream = Terminal()
    output = Output(as_json=True, stream=stream)
    everything(output)
    output.result({"a": [1, "ä"]})
    assert json.loads(stream.getvalue()) == {"a": [1, "ä"]}


def test_on_a_terminal_there_is_colour_and_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    from rich.text import Text

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    everything(Output(stream=stream))
    drawn = stream.getvalue()
    assert "\x1b[" in drawn
    shown = [line.rstrip() for line in Text.from_ansi(drawn).plain.splitlines()]
    assert [line for line in PLAIN.splitlines() if line not in shown] == []


def test_a_progress_bar_is_not_drawn_for_every_read(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = pytest.importorskip("rich.progress")
    monkeypatch.setenv("TERM", "xterm-256color")
    drawn: list[int] = []
    monkeypatch.setattr(progress.Progress, "update", lambda _self, _task, *, completed: drawn.append(completed))
    with Output(stream=Terminal()).progress("moving", 1_000_000) as show:
        for done in range(0, 1_000_001, 1000):
            show(done)
    assert drawn[0] == 0
    assert drawn[-1] == 1_000_000
    assert len(drawn) < 500


@pytest.mark.parametrize("why", ["no rich", "a dumb terminal"])
def test_a_terminal_without_rich_gets_plain_text(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    monkeypatch.setenv("TERM", "dumb" if why == "a dumb terminal" else "xterm")
    if why == "no rich":
        monkeypatch.setitem(sys.modules, "rich.console", None)
    stream = Terminal()
    everything(Output(stream=stream))
    assert stream.getvalue() == PLAIN


def test_what_an_encoding_can_not_say_is_replaced() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    Output(stream=stream).line("5 µs")
    assert raw.getvalue() == b"5 ?s\n"


def test_stdout_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    Output().line("here")
    assert capsys.readouterr().out == "here\n"


class Broken(io.StringIO):
    def flush(self) -> None:
        raise BrokenPipeError


def test_a_reader_that_is_gone_is_told_apart_from_other_errors() -> None:
    with pytest.raises(OutputGone):
        Output(stream=Broken()).line("anybody?")
    with pytest.raises(OutputGone):
        print_json(Broken(), {})


def test_json_is_one_line_and_flushed() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, newline="\n")
    print_json(stream, {"text": "a\nb"})
    assert raw.getvalue() == b'{"text":"a\\nb"}\n'


def test_texts_of_peers_can_not_drive_the_terminal() -> None:
    assert printable("go-libp2p/0.51 ✓") == "go-libp2p/0.51 ✓"
    assert printable("a\x1b[2J\r\n\x07\u202eb") == "a\\x1b[2J\\r\\n\\x07\\u202eb"
    assert printable("x" * 10_000) == "x" * module.MAX_PRINTABLE + "…"
    assert printable("abc", limit=2) == "ab…"


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (duration(42e-6), "42 µs"),
        (duration(1.25e-3), "1.25 ms"),
        (duration(3.2), "3.20 s"),
        (data_size(512), "512 B"),
        (data_size(1500), "1.5 kB"),
        (data_size(200_000_000), "200 MB"),
        (data_size(3e9), "3 GB"),
        (data_size(4e12), "4 TB"),
        (rate(1_000_000_000, 0.5), "2,000.0 MB/s"),
        (rate(5, 0.0), "5,000.0 MB/s"),
    ],
)
def test_numbers_have_the_unit_that_suits_them(shown: str, text: str) -> None:
    assert shown == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (3.96, "4.0 s"), (64, "64 s"), (300, "5 min"), (5_999, "100 min"), (9_000, "2.5 h")],
)
def test_a_time_of_waiting_is_rough(seconds: float, text: str) -> None:
    assert rough(seconds) == text
