"""``p2pstack decode``: says what something is that turned up in a log, a file or a packet."""

from __future__ import annotations

import argparse
import sys

from p2pstack.cli.arguments import CommandError, Commands, add_common
from p2pstack.cli.decoding import MAX_INPUT, Finding, explain_bytes, explain_text
from p2pstack.cli.output import Output

__all__ = ["add_commands"]


def add_commands(commands: Commands) -> None:
    """Add ``decode``."""
    parser = commands.add_parser(
        "decode",
        help="say what a peer id, address, key, envelope, peer record or varint is",
        description="Says what VALUE is: a peer id, a multiaddr, or in hex or base64 a key, a signed envelope, a peer "
        "record, a peer id, a multiaddr or a varint. A VALUE of - is read from stdin, as text or as bytes.",
    )
    parser.add_argument("values", nargs="+", metavar="VALUE")
    parser.set_defaults(run=_decode)
    add_common(parser)


def _decode(options: argparse.Namespace, output: Output) -> int:
    for value in options.values:
        findings = _from_stdin() if value == "-" else explain_text(value)
        output.result(
            {
                "value": value,
                "readings": [{"kind": found.kind, "encoding": found.encoding, **found.values} for found in findings],
            }
        )
        for found in findings:
            output.heading(f"{found.kind} ({found.encoding})")
            output.fields((name.replace("_", " "), shown) for name, shown in found.values.items())
            if found.kind == "private key":
                output.line("  Whoever has this key is this peer: it is not to be shown around.", "bold red")
    return 0


def _from_stdin() -> list[Finding]:
    data = sys.stdin.buffer.read(MAX_INPUT + 1)
    text = data.decode("ascii") if data.isascii() else ""
    if text.strip() and all(char.isprintable() or char.isspace() for char in text):
        return explain_text(text)
    findings = explain_bytes(data[:MAX_INPUT])
    if not findings:
        raise CommandError("what came on stdin is nothing that is known")
    return findings
