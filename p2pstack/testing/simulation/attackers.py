"""Members that break the rules, or keep them to do harm; one class for each kind of attack (specs/gossipsub.md).

They speak plain RPCs without a router, act once a heartbeat, and see all that others send them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pstack.gossipsub.codec import decode_rpc
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.ids import MessageId, sha256_id
from p2pstack.gossipsub.values import IHave, Message, Prune, Rpc, Subscription
from p2pstack.testing.simulation.member import Member
from p2pstack.testing.simulation.node import TOPIC
from p2pstack.wire import uvarint

if TYPE_CHECKING:
    from p2pstack.testing.simulation.network import Network

__all__ = ["SPAM", "Attacker", "Forger", "GraftFlooder", "IHaveLiar", "IWantFlooder", "Silent", "Spammer"]

SPAM = b"spam"
"""What invalid messages begin with: the validators of the scenarios reject that."""


class Attacker(Member):
    """Subscribes, and does nothing else. ``heard`` counts the copies of messages that others sent it."""

    topic = TOPIC

    def __init__(self, network: Network, address: int, *, ip: str | None = None) -> None:
        super().__init__(network, address, ip=ip)
        self.random = network.make_random(f"attacker {address}")
        self.heard = 0
        self._config = GossipsubConfig()

    def start(self) -> None:
        """Begin; the first act comes within a second."""
        super().start()
        self.network.clock.call_later(self.random.random(), self._beat)

    def _beat(self) -> None:
        if self.running:
            for other in self.network.switch.neighbours(self.address):
                self.act(other)
            self.network.clock.call_later(1.0, self._beat)

    def connected(self, other: int, *, outbound: bool) -> None:
        """Say what every node says first."""
        self.tell(other, Rpc(subscriptions=[Subscription(True, self.topic)]))

    def received(self, sender: int, payload: Rpc | bytes) -> None:
        """Look at an RPC."""
        if isinstance(payload, bytes):
            _, start = uvarint.decode(payload, 0)
            payload = decode_rpc(payload[start:], self._config)
        self.heard += len(payload.publish)
        self.hear(sender, payload)

    def tell(self, other: int, rpc: Rpc) -> None:
        """Send an RPC."""
        self.network.send(self.address, self.network.members[other].peer_id, rpc)

    def act(self, other: int) -> None:
        """Do once a heartbeat to each neighbour what this attacker does."""

    def hear(self, sender: int, rpc: Rpc) -> None:
        """Answer an RPC."""


class Silent(Attacker):
    """Goes into every mesh that lets it in, respects every back-off, and forwards nothing.

    A few of them are freeloaders; many are sybils, and around one victim an eclipse.
    """

    backoff = 62.0
    """Seconds for which it leaves a peer alone that pruned it: two more than the rules ask for."""

    def __init__(self, network: Network, address: int, *, ip: str | None = None) -> None:
        super().__init__(network, address, ip=ip)
        self._not_before: dict[int, float] = {}
        self._inside: dict[int, None] = {}

    def disconnected(self, other: int) -> None:
        """Out of its mesh."""
        self._inside.pop(other, None)

    def act(self, other: int) -> None:
        """Ask to come in, where it is not and may."""
        now = self.network.clock.now
        if other not in self._inside and now >= self._not_before.get(other, 0.0):
            self._inside[other] = None
            self.tell(other, Rpc(graft=[self.topic]))

    def hear(self, sender: int, rpc: Rpc) -> None:
        """Note who let it in, and who threw it out."""
        if rpc.graft:
            self._inside[sender] = None
        if rpc.prune:
            self._inside.pop(sender, None)
            self._not_before[sender] = self.network.clock.now + self.backoff


class Spammer(Attacker):
    """Sends ``rate`` invalid messages a second to each neighbour, and GRAFTs, to be in its mesh when they come."""

    rate = 5

    def act(self, other: int) -> None:
        """Send junk that nobody has seen."""
        junk = [Message(SPAM + self.random.randbytes(16), self.topic) for _ in range(self.rate)]
        self.tell(other, Rpc(publish=junk, graft=[self.topic]))


class Forger(Silent):
    """Gets into meshes, and passes on what comes with other data under the old signature; ``forged`` counts these."""

    forged = 0

    def hear(self, sender: int, rpc: Rpc) -> None:
        """Change a message, and send it to everybody before the true one is there."""
        super().hear(sender, rpc)
        for true in rpc.publish:
            false = Message(SPAM + true.data, true.topic, true.source, true.seqno, true.signature, true.key)
            self.forged += 1
            for other in self.network.switch.neighbours(self.address):
                self.tell(other, Rpc(publish=[false]))


class GraftFlooder(Attacker):
    """Sends a PRUNE and ``rate`` GRAFTs a second to each neighbour, whatever it is answered: out, and in again."""

    rate = 5

    def act(self, other: int) -> None:
        """Come in, and go, and come in."""
        self.tell(other, Rpc(prune=[Prune(self.topic)]))
        for _ in range(self.rate):
            self.tell(other, Rpc(graft=[self.topic]))


class IHaveLiar(Attacker):
    """Tells each second of ``rate`` messages that are none, in ``rpcs`` RPCs; ``asked`` counts ids of its IWANTs."""

    rate = 5_000
    rpcs = 20
    asked = 0

    def act(self, other: int) -> None:
        """Promise what it hasn't got."""
        share = self.rate // self.rpcs
        for _ in range(self.rpcs):
            ids = [self.random.randbytes(32) for _ in range(share)]
            self.tell(other, Rpc(ihave=[IHave(self.topic, ids)]))

    def hear(self, sender: int, rpc: Rpc) -> None:
        """Enjoy being asked."""
        self.asked += len(rpc.iwant)


class IWantFlooder(Attacker):
    """Asks each neighbour ``rate`` times a second for the same ``depth`` messages that it heard of last."""

    rate = 50
    depth = 10
    message_id: MessageId = staticmethod(sha256_id)

    def __init__(self, network: Network, address: int, *, ip: str | None = None) -> None:
        super().__init__(network, address, ip=ip)
        self._known: dict[bytes, None] = {}

    def act(self, other: int) -> None:
        """Ask again and again."""
        wanted = list(self._known)[-self.depth :]
        for _ in range(self.rate if wanted else 0):
            self.tell(other, Rpc(iwant=wanted * 3))

    def hear(self, sender: int, rpc: Rpc) -> None:
        """Learn the ids of messages that are there."""
        for message in rpc.publish:
            self._known[self.message_id(message)] = None
        for entry in rpc.ihave:
            self._known.update(dict.fromkeys(entry.ids))
