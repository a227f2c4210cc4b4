"""What a peer of the benchmarks receives of gossipsub: counted in a few steps a message, understood at the end.

A message of these peers begins with a sequence number and the time at which it was sent, 8 bytes each, big-endian; the
time is in ns since 1970. Both are kept as they came until somebody asks for the summary.
"""

from __future__ import annotations

import asyncio
from array import array
from base64 import b64encode
from hashlib import sha256
from struct import Struct
from time import time_ns

from p2pstack.cli.peer_host import emit
from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.subscription import Subscription

__all__ = ["HEADER", "Inbox", "counters", "emit_message", "receive"]

HEADER = Struct(">QQ")
"""The beginning of a message: its number, and when it was sent."""

MAX_SHOWN = 256
"""Bytes of the longest message whose data are printed."""

_NOTHING = bytes(HEADER.size)
_HOUR = 3_600_000_000_000

_REFUSALS = (
    reasons.BAD_KEY, reasons.BAD_SEQNO, reasons.BAD_SIGNATURE, reasons.BAD_SOURCE, reasons.MISSING_SIGNATURE,
    reasons.MISSING_SOURCE, reasons.REJECTED, reasons.SELF_ORIGIN, reasons.UNEXPECTED_AUTH,
    reasons.UNEXPECTED_SIGNATURE,
)  # fmt: skip


class Inbox:
    """The messages that one host has received from others. ``full`` is set with number ``expected``, if that is one."""

    def __init__(self, expected: int = 0) -> None:
        self.full = asyncio.Event()
        self._expected = expected
        self._size = 0
        self._times = array("Q")
        self._headers = bytearray()

    def __len__(self) -> int:
        return len(self._times)

    def add(self, data: bytes) -> None:
        """Count a message. HOT PATH."""
        self._times.append(time_ns())
        self._headers += data[:16] if len(data) >= 16 else _NOTHING
        self._size += len(data)
        if len(self._times) == self._expected:
            self.full.set()

    def summary(self) -> dict[str, object]:
        """Return what the messages add up to, under the names that the other peers use."""
        times = self._times
        values: dict[str, object] = {"received": len(times), "received_bytes": self._size}
        if len(times) > 1 and times[-1] > times[0]:
            span = (times[-1] - times[0]) / 1e9
            values |= {"receive_span_seconds": span, "receive_rate": (len(times) - 1) / span}
        headers = HEADER.iter_unpack(self._headers)
        # What does not begin with a time of now is some other program's message.
        numbered = [(n, at - sent) for (n, sent), at in zip(headers, times, strict=True) if 0 <= at - sent < _HOUR]
        if numbered:
            numbers = {number for number, _ in numbered}
            latencies = sorted(latency for _, latency in numbered)
            values |= {
                "distinct": len(numbers),
                "max_seq": max(numbers),
                "latency_us_p50": latencies[len(latencies) // 2] / 1e3,
                "latency_us_p99": latencies[len(latencies) * 99 // 100] / 1e3,
                "latency_us_max": latencies[-1] / 1e3,
            }
        return values


async def receive(subscription: Subscription, own: PeerId, inbox: Inbox, *, quiet: bool) -> None:
    """Read a subscription to its end; our own messages are left out."""
    add = inbox.add
    async for incoming in subscription:
        if incoming.peer != own:
            if not quiet:
                emit_message(incoming)
            add(incoming.message.data)


def emit_message(incoming: Incoming) -> None:
    """Print a message; its data where they are short."""
    data = incoming.data
    emit(
        "message",
        **{"topic": incoming.topic, "from": str(incoming.author or "")},
        via=str(incoming.peer),
        len=len(data),
        sha256=sha256(data).hexdigest(),
        **({"data_b64": b64encode(data).decode()} if len(data) <= MAX_SHOWN else {}),
    )


def counters(pubsub: Gossipsub, lost: int = 0) -> dict[str, object]:
    """Return what was dropped and why: under the go peer's names, and in full by our own.

    ``lost`` are the messages that subscriptions had no room for.
    """
    counted = pubsub.counters
    return {
        "outbound_dropped": counted["queue-full"],
        "validation_dropped": counted[reasons.THROTTLED] + counted[reasons.UNVERIFIED],
        "rejected": sum(counted[name] for name in _REFUSALS),
        "undeliverable": lost,
        "duplicates": counted[reasons.DUPLICATE],
        "reasons": {name: number for name, number in sorted(counted.items()) if number},
    }
