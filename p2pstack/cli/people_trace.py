"""``p2pstack trace``: a recorded trace as a timeline that can be read, and what it adds up to."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from p2pstack.cli.arguments import Commands, add_common
from p2pstack.cli.output import Output, data_size, printable
from p2pstack.cli.tracefile import read_trace

__all__ = ["add_commands"]

Event = dict[str, object]

ARROWS = {"in": "<-", "out": "->"}
COMMON = {"time", "connection", "name"}
FRAME = {"direction", "type", "flags", "stream", "length"}


@dataclass(slots=True)
class Total:
    """What has been seen of one connection: seconds, frames and their payload bytes, by direction; streams opened."""

    peer: str = ""
    seconds: float = 0.0
    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    streams: int = 0
    end: str = ""

    def count(self, event: Event) -> None:
        """Add one event."""
        self.seconds = max(self.seconds, float(str(event["time"])))
        name = event["name"]
        if name == "opened":
            self.peer = printable(str(event.get("peer", "")))
        elif name == "closed":
            self.end = printable(str(event.get("reason", "")))
        elif name == "frame":
            self._count_frame(event)

    def _count_frame(self, event: Event) -> None:
        length = event.get("length")
        size = length if event.get("type") == "data" and isinstance(length, int) else 0
        if event.get("direction") == "in":
            self.frames_in += 1
            self.bytes_in += size
        else:
            self.frames_out += 1
            self.bytes_out += size
        self.streams += "SYN" in str(event.get("flags", "")) and event.get("stream") != 0


def add_commands(commands: Commands) -> None:
    """Add ``trace``."""
    parser = commands.add_parser(
        "trace",
        help="show a trace file as a timeline",
        description="Shows what --trace FILE has recorded: a line an event, then what each connection adds up to. With "
        "--json only the latter.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--connection", metavar="N", help="only the connection of that number")
    parser.add_argument("--stream", metavar="ID", help="only the frames of that stream")
    parser.set_defaults(run=_trace)
    add_common(parser)


def _trace(options: argparse.Namespace, output: Output) -> int:
    totals: dict[str, Total] = {}
    for event in _chosen(options):
        totals.setdefault(str(event.get("connection", "?")), Total()).count(event)
        output.line(_line(event), _style(event))
    for number, total in totals.items():
        output.result({"connection": number, **{name: getattr(total, name) for name in Total.__slots__}})
    output.line()
    output.table(
        ("connection", ">seconds", ">frames in", ">out", ">data in", ">out", ">streams", "peer", "end"),
        [
            (
                f"#{printable(number)}", f"{total.seconds:.3f}", total.frames_in, total.frames_out,
                data_size(total.bytes_in), data_size(total.bytes_out), total.streams, total.peer, total.end,
            )
            for number, total in totals.items()
        ],
    )  # fmt: skip
    return 0


def _chosen(options: argparse.Namespace) -> Iterator[Event]:
    for event in read_trace(options.file):
        if options.connection is not None and str(event.get("connection")) != options.connection:
            continue
        if options.stream is not None and event["name"] == "frame" and str(event.get("stream")) != options.stream:
            continue
        yield event


def _line(event: Event) -> str:
    head = f"{float(str(event['time'])):>12.6f}  #{printable(str(event.get('connection', '?'))):<4}"
    name = str(event["name"])
    if name == "frame" and event.keys() >= FRAME:
        arrow = ARROWS.get(str(event["direction"]), "??")
        kind, flags, stream, length = (str(event[name]) for name in ("type", "flags", "stream", "length"))
        text = f"{arrow} {kind:<13} {flags:<7} stream {stream:<5} {length:>9}"
        rest = event.keys() - COMMON - FRAME
    else:
        text = f"== {printable(name)}"
        rest = event.keys() - COMMON
    details = "".join(f"  {key}={event[key]}" for key in event if key in rest)
    return f"{head}{printable(text + details)}"


def _style(event: Event) -> str:
    if event["name"] != "frame":
        return "bold"
    return "green" if event.get("direction") == "in" else "blue"
