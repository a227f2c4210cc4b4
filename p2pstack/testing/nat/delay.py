"""A cable that takes its time: moves Ethernet frames between two tap devices, each a fixed number of milliseconds late.

``python -m p2pstack.testing.nat.delay MILLISECONDS NAMESPACE DEVICE NAMESPACE DEVICE``: prints ``ready``, forwards
until stdin closes or SIGTERM comes. The kernel's own way to do this, netem, is not in every kernel. A frame that finds
``MAX_QUEUED`` others waiting is dropped, as by any queue of a network.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field

from p2pstack.testing.nat.namespaces import TUN, enter

MAX_QUEUED = 8192
FRAME_BYTES = 1 << 16
BURST = 64
"""Frames that are read from one device before the others get their turn."""

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000


def open_tap(namespace: str, device: str) -> int:
    """Attach to a tap device that exists; the calling thread stays in its namespace. Returns the descriptor."""
    enter(namespace)
    descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


@dataclass
class Way:
    """One direction: frames that were read at ``source``, and when they are due at ``target``."""

    source: int
    target: int
    delay: float
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)

    def take(self) -> None:
        """Read what has arrived."""
        for _ in range(BURST):
            try:
                frame = os.read(self.source, FRAME_BYTES)
            except BlockingIOError:
                return
            if len(self.queue) < MAX_QUEUED:
                self.queue.append((time.monotonic() + self.delay, frame))

    def give(self) -> None:
        """Write what is due."""
        while self.queue and self.queue[0][0] <= time.monotonic():
            _, frame = self.queue.popleft()
            try:
                os.write(self.target, frame)
            except OSError:  # the device is down, or its queue is full: the frame is lost, as on any cable
                continue

    def wait(self) -> float:
        """Seconds until there is something to give."""
        return max(self.queue[0][0] - time.monotonic(), 0.0) if self.queue else 1.0


def forward(one: int, other: int, delay: float, end: int) -> None:
    """Forward between two devices until ``end`` can be read, which is how the end of a pipe shows."""
    ways = {one: Way(one, other, delay), other: Way(other, one, delay)}
    while True:
        ready, _, _ = select.select([*ways, end], [], [], min(way.wait() for way in ways.values()))
        if end in ready:
            return
        for descriptor in ready:
            ways[descriptor].take()
        for way in ways.values():
            way.give()


def main(words: list[str]) -> None:
    """Read the command line, and forward."""
    milliseconds, *ends = words
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's goes to those who started us, and close our stdin
    one, other = (open_tap(*ends[start : start + 2]) for start in (0, 2))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    forward(one, other, float(milliseconds) / 1000, sys.stdin.fileno())


if __name__ == "__main__":
    main(sys.argv[1:])
