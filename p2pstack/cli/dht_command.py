"""What ``p2pstack dht …`` does: enters a DHT as a client, does one thing, and shows what came of it."""

from __future__ import annotations

import argparse
import contextlib
import time
from hashlib import sha256

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.dht_node import enter
from p2pstack.cli.dht_operations import Outcome, Wish, operate
from p2pstack.cli.keyfiles import read_key
from p2pstack.cli.output import Output, counted, duration, printable
from p2pstack.cli.people_host import open_host
from p2pstack.cli.running import run, stop_requests
from p2pstack.errors import DecodeError
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.signed_records import SignedRecord, signed_key
from p2pstack.kad.validators import public_key_key
from p2pstack.services.kad.config import KademliaConfig, Mode
from p2pstack.services.kad.service import Kademlia

__all__ = ["run_dht"]

_SHA_256 = b"\x12\x20"


def run_dht(options: argparse.Namespace, output: Output) -> int:
    """Carry out a command; 1 where nothing was found, or nobody has taken what was sent."""
    return run(_run(options, output), options.loop)


async def _run(options: argparse.Namespace, output: Output) -> int:
    wish = _wish(options)
    stays = options.operation == "provide"
    # Who stays keeps a table by which the announcement is repeated in twelve hours, whoever has left until then.
    bootstrap = tuple(options.bootstrap) if stays else ()
    config = KademliaConfig(protocol=options.protocol, mode=Mode.CLIENT, refresh=stays, bootstrap=bootstrap)
    async with open_host(options, listen=[options.listen] if stays else []) as host, Kademlia(host, config) as dht:
        await enter(dht, options.bootstrap, options.timeout)
        outcome = await operate(dht, wish, options.timeout)
        if stays and outcome.ok:
            with stop_requests(stdin=False) as stop:
                _show(wish, outcome, output)
                output.line("until Ctrl-C; it is announced again every twelve hours", "dim")
                await stop.wait()
        else:
            _show(wish, outcome, output)
        return 0 if outcome.ok else 1


# -- what is asked for


def _wish(options: argparse.Namespace) -> Wish:
    """Read what is to be done.

    Raises:
        CommandError: it can't be read.
    """
    subject, operation = options.subject, options.operation
    if operation == "find-peer":
        return Wish(operation=operation, peer=_peer(subject))
    if operation == "closest":
        return Wish(operation=operation, key=_position(subject))
    if operation == "put":
        return _signed(options)
    if operation == "get":
        return Wish(operation=operation, key=_value_key(subject))
    if operation == "provide":
        return Wish(operation=operation, key=_multihash(subject), republish=True)
    return Wish(operation=operation, key=_multihash(subject), count=options.count)


def _peer(text: str) -> PeerId:
    try:
        return PeerId.from_string(text)
    except DecodeError as error:
        raise CommandError(f"{text!r} is no peer id: {error}") from error


def _hex(text: str) -> bytes | None:
    """Return the bytes behind 0x; None where it does not begin so."""
    if not text.startswith("0x"):
        return None
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise CommandError(f"there are no hex digits behind 0x in {text!r}") from error


def _position(text: str) -> bytes:
    raw = _hex(text)
    if raw is not None:
        return raw
    with contextlib.suppress(DecodeError):
        return PeerId.from_string(text).to_bytes()
    return text.encode()


def _multihash(text: str) -> bytes:
    raw = _hex(text)
    return raw if raw is not None else _SHA_256 + sha256(text.encode()).digest()


def _signed(options: argparse.Namespace) -> Wish:
    """Return a record that the key of ``--key`` has signed; the time is its number."""
    if options.key is None:
        raise CommandError("what is put is signed: give your key by --key FILE (`p2pstack key new` makes one)")
    key = read_key(options.key)
    record = SignedRecord(key.public_key, options.subject.encode(), time.time_ns() // 1_000_000, options.value.encode())
    return Wish(operation="put", key=record.key, value=record.seal(key))


def _value_key(text: str) -> bytes:
    if text.startswith("/pk/"):
        return public_key_key(_peer(text.removeprefix("/pk/")))
    peer, slash, name = text.partition("/")
    public_key = _peer(peer).public_key if slash and name else None
    if public_key is None:
        raise CommandError("a key is PEER_ID/NAME, with an id that holds its public key (12D3KooW…), or /pk/PEER_ID")
    return signed_key(public_key, name.encode())


# -- what came of it


def _show(wish: Wish, outcome: Outcome, output: Output) -> None:
    value = _plain(wish, outcome.value)
    progress = outcome.progress
    output.result(
        {
            "ok": outcome.ok,
            "peers": [{"peer_id": str(peer), "addresses": list(map(str, found))} for peer, found in outcome.peers],
            "value": None if value is None else value.decode(errors="replace"),
            "value_hex": None if outcome.value is None else outcome.value.hex(),
            "accepted": outcome.accepted,
            "requests": progress.requests if progress is not None else 0,
            "failures": progress.failures if progress is not None else 0,
            "seconds": outcome.seconds,
            "reason": outcome.reason or None,
        }
    )
    for peer, found in outcome.peers:
        output.fields([(str(peer), [str(each) for each in found])])
    if value is not None:
        output.line(printable(value.decode(errors="backslashreplace"), limit=20_000))
    if outcome.ok and wish.operation in {"put", "provide"}:
        output.line(f"taken by {counted(outcome.accepted, 'peer')}", "green")
    if outcome.reason:
        output.line(printable(outcome.reason), "red")
    if progress is not None:
        failed = f", {progress.failures} failed" if progress.failures else ""
        output.line(f"{counted(progress.requests, 'request')}{failed}, {duration(outcome.seconds)}", "dim")


def _plain(wish: Wish, value: bytes | None) -> bytes | None:
    """Return what a signed record holds; of other values the hex digits, since they are none for people."""
    if value is None:
        return None
    if wish.key.startswith(b"/pk/"):
        return value.hex().encode()
    return SignedRecord.open(wish.key, value).data
