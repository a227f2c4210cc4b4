"""The messages of the last heartbeats: told of by IHAVE, sent again on IWANT (GS10-23; specs/gossipsub.md).

Time is counted in windows, one a heartbeat. A message can be asked for in the window in which it came and in the
``history - 1`` after it; peers are told of it for the first ``gossip`` of these. How often each peer took a message is
counted with the message, so that nobody makes us send the same bytes over and over (GS11-15).
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from p2pstack.gossipsub.values import Message
from p2pstack.identity.peer_id import PeerId

__all__ = ["OVERHEAD", "TAKER_OVERHEAD", "MessageCache"]

OVERHEAD = 512
"""Bytes that a message is charged beside its encoding and its id: about what its small fields and its places here take.
Its data is in memory a second time outside of the encoding; that is not charged, so as much again may be held."""

TAKER_OVERHEAD = 100
"""Bytes that a message is charged for each peer whose takings are counted."""

Window = dict[str, deque[bytes]]
"""Topic -> ids of its messages, in the order in which they came."""


class _Entry:
    """A message, what it is charged, the window it came in, and how often each peer took it."""

    __slots__ = ("charge", "message", "taken", "window")

    def __init__(self, message: Message, charge: int, window: Window) -> None:
        self.message = message
        self.charge = charge
        self.window = window
        self.taken: dict[PeerId, int] | None = None  # few messages are ever asked for


class MessageCache:
    """Messages of the last ``history`` windows, within ``max_bytes``.

    ``bytes`` is what the messages are charged together, ``evicted`` how many had to go before their time, because
    there was no room for them. ``gossip`` is at most ``history``.

    Hot path: :meth:`put` runs once for each message that is published or forwarded.
    """

    __slots__ = ("_entries", "_gossip", "_history", "_max_bytes", "_order", "_window", "_windows", "bytes", "evicted")

    def __init__(self, history: int, gossip: int, max_bytes: int) -> None:
        self._history = history
        self._gossip = gossip
        self._max_bytes = max_bytes
        self._entries: dict[bytes, _Entry] = {}
        self._order: deque[bytes] = deque()  # exactly the keys of the table, the oldest first
        self._window: Window = {}
        self._windows: deque[Window] = deque([self._window])  # the newest first
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        """Messages that can be asked for."""
        return len(self._entries)

    def put(self, message_id: bytes, message: Message) -> None:
        """Keep a message, unless it is kept already; where there is no room for it, the oldest ones go.

        A message that is larger than the whole cache is not kept, and drives out none.
        """
        if message_id in self._entries:
            return
        charge = len(message.encoded) + len(message_id) + OVERHEAD
        if charge > self._max_bytes:
            self.evicted += 1
            return
        window = self._window
        ids = window.get(message.topic)
        if ids is None:
            ids = window[message.topic] = deque()
        ids.append(message_id)
        self._entries[message_id] = _Entry(message, charge, window)
        self._order.append(message_id)
        self.bytes += charge
        if self.bytes > self._max_bytes:
            self._make_room()

    def get(self, message_id: bytes) -> Message | None:
        """Return a message, or None when it is not kept (any more)."""
        entry = self._entries.get(message_id)
        return None if entry is None else entry.message

    def take(self, message_id: bytes, peer: PeerId) -> tuple[Message, int] | None:
        """Return a message that ``peer`` asks for, and how often it has asked for it, this time included.

        None when the message is not kept (any more).
        """
        entry = self._entries.get(message_id)
        if entry is None:
            return None
        if entry.taken is None:
            entry.taken = {}
        count = entry.taken.get(peer, 0) + 1
        entry.taken[peer] = count
        if count == 1:
            entry.charge += TAKER_OVERHEAD
            self.bytes += TAKER_OVERHEAD
            self._make_room()
        return entry.message, count

    def gossip_ids(self, topic: str) -> list[bytes]:
        """Return the ids of the topic's messages of the last ``gossip`` windows, the newest window first."""
        found: list[bytes] = []
        for window in islice(self._windows, self._gossip):
            found += window.get(topic, ())
        return found

    def shift(self) -> None:
        """Begin a new window, and drop the messages of the one that is too old now (at each heartbeat)."""
        self._window = {}
        self._windows.appendleft(self._window)
        if len(self._windows) > self._history:
            for _ in range(sum(map(len, self._windows[-1].values()))):
                self._drop_oldest()
            self._windows.pop()

    def _make_room(self) -> None:
        while self.bytes > self._max_bytes:
            self._drop_oldest()
            self.evicted += 1

    def _drop_oldest(self) -> None:
        entry = self._entries.pop(self._order.popleft())
        self.bytes -= entry.charge
        # The oldest of all messages is the oldest of its window and topic too.
        topic = entry.message.topic
        ids = entry.window[topic]
        ids.popleft()
        if not ids:
            del entry.window[topic]
