"""What happened to each message in a simulated network, and what was sent for it, as it is counted on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from p2pstack.gossipsub.values import Message, Rpc

__all__ = ["Arrival", "Record", "Trace"]


@dataclass(slots=True)
class Arrival:
    """A message was accepted by a node: ``seconds`` after it was published, over so many ``hops``."""

    seconds: float
    hops: int


@dataclass(slots=True, kw_only=True)
class Trace:
    """The way of one message."""

    author: int
    topic: str
    published_at: float

    expected: frozenset[int]
    """The nodes that were subscribed when it was published, its author excepted."""

    arrivals: dict[int, Arrival] = field(default_factory=dict)
    """When each node accepted it first."""

    copies: int = 0
    """How often it arrived anywhere, before any check."""

    repeated: int = 0
    """Deliveries to a node that had accepted it before; there should be none."""

    @property
    def delivered(self) -> int:
        """Nodes of those ``expected`` that have it."""
        return sum(address in self.expected for address in self.arrivals)

    @property
    def ratio(self) -> float:
        """The share of those ``expected`` that have it."""
        return self.delivered / len(self.expected) if self.expected else 1.0

    @property
    def seconds(self) -> list[float]:
        """How long it took to those ``expected`` that have it, in rising order."""
        return sorted(each.seconds for address, each in self.arrivals.items() if address in self.expected)


class Record:
    """The traces of all messages, by their data; which therefore has to be different in each.

    ``sent`` counts RPCs and what stood in them, by kind; ``bytes`` is their size where frames are encoded.
    """

    __slots__ = ("bytes", "sent", "traces")

    def __init__(self) -> None:
        self.traces: dict[bytes, Trace] = {}
        self.sent: Counter[str] = Counter()
        self.bytes = 0

    def published(self, data: bytes, topic: str, author: int, expected: Iterable[int], now: float) -> Trace:
        """Begin a trace."""
        trace = self.traces[data] = Trace(author=author, topic=topic, published_at=now, expected=frozenset(expected))
        return trace

    def copy(self, message: Message) -> None:
        """A copy has arrived somewhere."""
        trace = self.traces.get(message.data)
        if trace is not None:
            trace.copies += 1

    def delivered(self, message: Message, address: int, sender: int, now: float) -> None:
        """A node has accepted a message that ``sender`` gave it."""
        trace = self.traces.get(message.data)
        if trace is None:
            return
        if address in trace.arrivals:
            trace.repeated += 1
            return
        before = trace.arrivals.get(sender)
        hops = 1 if before is None else before.hops + 1
        trace.arrivals[address] = Arrival(now - trace.published_at, hops)

    def rpc(self, rpc: Rpc) -> None:
        """An RPC was sent. HOT PATH."""
        sent = self.sent
        sent["rpcs"] += 1
        if rpc.publish:
            sent["messages"] += len(rpc.publish)
        if rpc.subscriptions:
            sent["subscriptions"] += len(rpc.subscriptions)
        if not rpc.has_control:
            return
        for name, entries in (("graft", rpc.graft), ("prune", rpc.prune), ("iwant", rpc.iwant)):
            if entries:
                sent[name] += len(entries)
        if rpc.ihave:
            sent["ihave"] += sum(len(each.ids) for each in rpc.ihave)
        if rpc.idontwant:
            sent["idontwant"] += len(rpc.idontwant)
