"""What a failed dial says about a peer and its addresses, and what it does not (PEERS-05)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from p2pstack.errors import (
    DeadlineExceeded,
    DecodeError,
    DialError,
    GatedError,
    LimitExceeded,
    LocalError,
    P2PError,
    PeerIdMismatch,
)
from p2pstack.identity.multiaddrs import Multiaddr, parse, without_peer

__all__ = ["Verdict", "judge"]


class Verdict(Enum):
    """What became of a dial to one address."""

    FAILED = "failed"
    WRONG_PEER = "wrong peer"
    """Somebody else is there."""


def judge(error: DialError | DeadlineExceeded) -> tuple[bool, dict[Multiaddr, Verdict]]:
    """Return whether the peer itself has failed, and what that means for its addresses.

    What was not tried at all says nothing: a gate, a limit or a back-off of our own, an address that we can't dial.
    """
    if isinstance(error, DeadlineExceeded):
        return True, {}
    verdicts = dict(_verdicts(error))
    return bool(verdicts), verdicts


def _verdicts(error: DialError) -> Iterator[tuple[Multiaddr, Verdict]]:
    for text, cause in error.attempts:
        if not _was_tried(cause):
            continue
        try:
            address = without_peer(parse(text))
        except DecodeError:
            continue
        yield address, Verdict.WRONG_PEER if isinstance(cause, PeerIdMismatch) else Verdict.FAILED


def _was_tried(cause: BaseException) -> bool:
    if isinstance(cause, OSError):
        return True
    return isinstance(cause, P2PError) and not isinstance(cause, LocalError | GatedError | LimitExceeded | DecodeError)
