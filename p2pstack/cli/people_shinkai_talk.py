"""``p2pstack send``, ``inbox``, ``queue`` and ``peers``: they ask the node that runs in a folder."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from time import time
from typing import Any

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.control_client import REPLY_TIMEOUT, connect
from p2pstack.cli.control_protocol import MAX_LINE
from p2pstack.cli.output import Output, printable, rough
from p2pstack.cli.people_shinkai import data_folder
from p2pstack.cli.running import run

__all__ = ["inbox", "peers", "queue", "send"]

DELIVERED = {"acknowledged", "sent", "delivered"}

FOUND = {"known": ", at a known address", "relay": ", through a relay", "dht": ", found by the DHT"}
"""How it was known where a node is, where that is worth a word."""

LOOP = "asyncio"
"""These commands are over in milliseconds: uvloop would only have to be loaded."""


def send(options: argparse.Namespace, output: Output) -> int:
    """Send a text; status 0 if it was accepted, with ``--wait`` if it was delivered."""
    text = _stdin() if options.text == "-" else options.text
    state = run(_send(options, text, output), LOOP)
    accepted = DELIVERED if options.wait else DELIVERED | {"queued"}
    return 0 if state in accepted else 1


def _stdin() -> str:
    text = sys.stdin.read(MAX_LINE)
    return text.removesuffix("\n")


async def _send(options: argparse.Namespace, text: str, output: Output) -> str:
    async with connect(data_folder(options)) as client:
        await client.ask(do="send", to=options.to, text=text, wait=options.wait)
        reply = await client.reply()
        _show_result(reply, output)
        while not reply.get("end"):
            reply = await client.reply(options.wait + REPLY_TIMEOUT)
            _show_result(reply, output)
    return str(reply.get("state"))


def _show_result(reply: dict[str, Any], output: Output) -> None:
    output.result(_without_end(reply))
    by = f", by {reply['via']}" if reply.get("via") else ""
    by += FOUND.get(str(reply.get("found")), "")
    detail = printable(str(reply.get("detail") or reply.get("reason") or ""))
    match reply.get("state"):
        case "acknowledged" | "delivered":
            output.line(f"Delivered and acknowledged{by}." if by else "Delivered.", "green")
        case "sent":
            output.line(f"Sent{by}; no acknowledgement comes by this way.", "green")
        case "queued":
            wait = max(0.0, float(reply.get("next_attempt") or 0.0) - time())
            output.line(f"Queued, next try in {rough(wait)}: {detail}", "yellow")
        case _:
            output.line(f"Refused: {detail}", "red")
    if reply.get("key"):
        output.line(f"  {reply['key']}", "dim")


def inbox(options: argparse.Namespace, output: Output) -> int:
    """Print messages; each is taken once it is printed."""
    if options.history and options.follow:
        raise CommandError("--history and --follow exclude each other")
    run(_inbox(options, output), LOOP)
    return 0


async def _inbox(options: argparse.Namespace, output: Output) -> None:
    async with connect(data_folder(options)) as client:
        await client.ask(
            do="inbox",
            follow=options.follow,
            history=options.history,
            inbox=options.inbox or "",
            limit=options.limit,
        )
        while True:
            reply = await client.reply(None if options.follow else REPLY_TIMEOUT)
            if reply.get("end"):
                break
            message = reply["message"]
            _show_message(message, output)
            if not options.history:
                await client.ask(taken=message["key"])
    if not reply.get("messages") and not options.follow:
        output.line("There is nothing new." if not options.history else "There is nothing.", "dim")


def _show_message(message: dict[str, Any], output: Output) -> None:
    output.result(message)
    when = datetime.fromtimestamp(message["at"], UTC).astimezone()
    who = f"to {printable(message['to'])}" if message.get("state") == "sent" else printable(message["from"])
    output.line(f"{when:%Y-%m-%d %H:%M:%S} {who}", "bold cyan")
    text = message["text"]
    if text is None:
        output.line("  (encrypted for a profile)", "dim")
        return
    for line in text.splitlines() or [""]:
        output.line(f"  {printable(line, limit=MAX_LINE)}")


def queue(options: argparse.Namespace, output: Output) -> int:
    """Show or change what is to be delivered."""
    if (options.action in {"retry", "drop"}) != (options.key is not None):
        raise CommandError("retry and drop take the key of a message, as the lists show it; list and dead take none")
    run(_queue(options, output), LOOP)
    return 0


async def _queue(options: argparse.Namespace, output: Output) -> None:
    async with connect(data_folder(options)) as client:
        await client.ask(do="queue", action=options.action, key=options.key or "", limit=options.limit)
        reply = await client.reply()
    output.result(_without_end(reply))
    match options.action:
        case "list":
            now = time()
            rows = [
                (row["to"], row["attempts"], _in(row["next_attempt"] - now), row["key"], printable(row["error"]))
                for row in reply["rows"]
            ]
            _show_rows(("to", ">attempts", ">next try", "key", "why not yet"), rows, reply["total"], output)
        case "dead":
            rows = [
                (row["reason"], row["attempts"], _ago(row["accepted"]), row["key"], printable(row["error"]))
                for row in reply["rows"]
            ]
            _show_rows(("given up for", ">attempts", "accepted", "key", "last error"), rows, reply["total"], output)
        case "retry":
            output.line(f"{reply['retried']} to {printable(reply['to'])} are tried now.")
        case _:
            output.line("It is forgotten.")


def _show_rows(columns: tuple[str, ...], rows: list[tuple[Any, ...]], total: int, output: Output) -> None:
    if not rows:
        output.line("There is nothing.", "dim")
        return
    output.table(columns, rows)
    if total > len(rows):
        output.line(f"  and {total - len(rows)} more: --limit N", "dim")


def _in(seconds: float) -> str:
    return "now" if seconds <= 0 else f"in {rough(seconds)}"


def _ago(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%Y-%m-%d %H:%M}"


def peers(options: argparse.Namespace, output: Output) -> int:
    """Show the node and its peers."""
    run(_peers(options, output), LOOP)
    return 0


async def _peers(options: argparse.Namespace, output: Output) -> None:
    async with connect(data_folder(options)) as client:
        await client.ask(do="peers")
        reply = await client.reply()
    output.result(_without_end(reply))
    output.heading(f"{reply['name']}, profile {reply['profile']}")
    output.fields(
        [
            ("listens on", reply["listening"]),
            ("libp2p", reply["addresses"] if reply["libp2p"] else f"not running: {printable(reply['libp2p_error'])}"),
            ("in the inbox", reply["untaken"]),
            ("to deliver", f"{reply['queued']}, given up {reply['dead']}"),
            ("sent", _counts(reply["sent"])),
            ("received", _counts(reply["received"])),
            ("refused", _counts(reply["refused"])),
            ("remembered", f"{reply['known_peers']} peers"),
        ]
    )
    for address, reason in reply["bootstrap_errors"].items():
        output.line(f"The bootstrap address {address} leads to nobody: {printable(reason)}", "yellow")
    if reply["relay_error"]:
        output.line(f"The relay is not connected: {printable(reply['relay_error'])}", "yellow")
    if not reply["peers"]:
        output.line("Nobody is connected.", "dim")
        return
    rows = [
        (peer["peer_id"], peer["profile"], printable(peer["agent"]), " ".join(peer["addresses"]))
        for peer in reply["peers"]
    ]
    output.table(("peer", "profile", "is", "at"), rows)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count)


def _without_end(reply: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in reply.items() if key != "end"}
