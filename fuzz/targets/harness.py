"""What the Redis of the interop tests answers, or whatever listens there."""

from __future__ import annotations

from fuzz.source import segments
from p2pstack.cli.harness_resp import (
    MAX_BULK,
    MAX_ITEMS,
    MAX_LINE,
    Failure,
    Replies,
    Reply,
    encode_command,
)
from p2pstack.errors import DecodeError


def resp(data: bytes) -> None:
    """Replies are bounded, and the same however the stream is cut; after an error nothing is read any more."""
    pieces = segments(data)
    whole, cut = Replies(), Replies()
    found, failed = _read(whole, [b"".join(pieces)])
    pieced, failed_too = _read(cut, pieces)
    assert failed == failed_too
    # Those that stand before an error are lost with it where it came in the same piece.
    assert failed or pieced == found
    for reply in pieced:
        _check(reply)
        if isinstance(reply, bytes):
            # A command is an array of byte strings: what was read can be said, and is read again as it was.
            assert Replies().receive(encode_command(reply)) == [[reply]]


def _read(replies: Replies, pieces: list[bytes]) -> tuple[list[Reply], bool]:
    found: list[Reply] = []
    for piece in pieces:
        try:
            found += replies.receive(piece)
        except DecodeError:
            return found, True
    return found, False


def _check(reply: Reply) -> None:
    match reply:
        case str() | Failure():
            text = reply if isinstance(reply, str) else reply.message
            assert len(text) <= MAX_LINE * 4
            assert "\r" not in text
            assert "\n" not in text
        case bytes():
            assert len(reply) <= MAX_BULK
        case int():
            assert abs(reply) < 10**19
        case list():
            assert len(reply) <= MAX_ITEMS
            for item in reply:
                _check(item)
