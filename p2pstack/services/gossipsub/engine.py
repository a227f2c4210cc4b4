"""The router in its surroundings: links, timer, subscriptions, events. Hot path (specs/gossipsub.md).

Everything that calls the router ends with :meth:`Engine.flush`, which hands what the router wants sent to the links
and its events to whom they concern. Guarded by the row ``gossip`` of ``python -m benchmarks``.
"""

from __future__ import annotations

import asyncio
import logging
import random
from time import monotonic

from p2pstack.aio.alarm import Alarm
from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.aio.waiting import WaitingList
from p2pstack.gossipsub.codec import encode_rpc
from p2pstack.gossipsub.events import (
    DirectPeersMissing,
    Grafted,
    PeersOffered,
    PeerSubscribed,
    PeerUnsubscribed,
    Pruned,
    RouterEvent,
)
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.router import Router
from p2pstack.gossipsub.values import Rpc
from p2pstack.host.host import BaseHost
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.events import PeerGrafted, PeerJoinedTopic, PeerLeftTopic, PeerPruned
from p2pstack.services.gossipsub.exchange import Dials
from p2pstack.services.gossipsub.link import Link
from p2pstack.services.gossipsub.outbound import Outbound
from p2pstack.services.gossipsub.subscription import Subscription
from p2pstack.services.gossipsub.validation import Verdict
from p2pstack.services.targets import read_targets

__all__ = ["Engine"]

logger = logging.getLogger("p2pstack.gossipsub")

_DIRECT_TAG = "gossipsub-direct"


class Engine:
    """What the parts of pubsub share. ``changed`` wakes those that wait for peers of a topic, or for room in queues."""

    def __init__(self, host: BaseHost, config: PubsubConfig) -> None:
        self.host = host
        self.config = config
        self.message_id = config.id_of
        direct = self.direct = read_targets(config.direct)
        self.router = Router(
            host.peer_id,
            config.router,
            random=random.Random(),  # noqa: S311 - seeded by the system; what it chooses is told to nobody
            now=monotonic(),
            message_id=self.message_id,
            policy=config.policy,
            score=config.score,
            direct=direct,
            gater=config.gater,
            record_of=self._record_of,
        )
        self.counters = self.router.counters
        self.links: dict[PeerId, Link] = {}
        self.congested: set[PeerId] = set()
        self.changed = WaitingList()
        self.subscriptions: dict[str, list[Subscription]] = {}
        self.dials = Dials(host, config, self.counters)
        self.running = False
        self._alarm: Alarm | None = None
        self._planned = False
        for peer, addresses in direct.items():
            host.remember(peer, addresses)
            host.protect(peer, _DIRECT_TAG)

    def start(self) -> None:
        """Begin the heartbeats."""
        self.running = True
        self._alarm = Alarm(asyncio.get_running_loop(), self._heartbeat)
        self._alarm.at_latest(self.router.next_timeout())

    def stop(self) -> None:
        """End the heartbeats, and all waiting."""
        self.running = False
        if self._alarm is not None:
            self._alarm.cancel()
        self.changed.wake()
        for peer in self.direct:
            self.host.unprotect(peer, _DIRECT_TAG)

    def _record_of(self, peer: PeerId) -> bytes | None:
        entry = self.host.peerstore.get(peer)
        return entry.record if entry is not None else None

    # -- peers

    def opened(self, connection: Connection) -> None:
        """There is a new connection; one that passes a relay is left alone."""
        if connection.relayed:
            return
        peer = connection.peer_id
        link = self.links.get(peer)
        if link is not None and not any(each is not connection and not each.closed for each in link.connections):
            # It was gone, and is back before we were told: what it knew of us it has forgotten.
            self.forget(peer)
            link = None
        if link is None:
            link = self.links[peer] = Link(
                self.host,
                peer,
                self.config,
                self.counters,
                on_opened=self._stream_opened,
                on_given_up=self._given_up,
                on_renewed=self._renewed,
                on_change=self._congestion_changed,
            )
        else:
            self._tell_router(link)
        link.start(anew=True)

    def ended(self, peer: PeerId) -> None:
        """A connection to ``peer`` has ended; without another one it is forgotten."""
        link = self.links.get(peer)
        if link is None:
            return
        if link.connections:
            self._tell_router(link)
        else:
            self.forget(peer)

    def forget(self, peer: PeerId) -> list[asyncio.Task[None]]:
        """Forget a peer that is gone; return the tasks that were ended."""
        link = self.links.pop(peer, None)
        if link is None:
            return []
        tasks = link.close()
        self.congested.discard(peer)
        self.router.remove_peer(peer, monotonic())
        self.flush()
        self.changed.wake()
        return tasks

    def _stream_opened(self, link: Link, stream: Stream) -> None:
        """Our stream to a peer is open: greet it (GS10-04)."""
        known = link.peer in self.router.peers
        self._tell_router(link, stream)
        hello = encode_rpc(self.router.hello(link.peer)) if known else []
        link.outbound.attach(stream, hello)
        self.flush()

    def _tell_router(self, link: Link, stream: Stream | None = None) -> None:
        """Tell the router what is known of a peer, whether it is new to it or not."""
        stream = stream or link.outbound.stream
        if stream is not None and stream.protocol is not None:
            self.router.add_peer(link.peer, stream.protocol, outbound=link.dialled, ips=link.ips, now=monotonic())

    def _given_up(self, link: Link) -> None:
        """A peer does not want to be spoken to."""
        if link.inbound is not None and link.given_up:
            link.inbound.reset()
        link.outbound.close()
        self.router.remove_peer(link.peer, monotonic())
        self.flush()

    def _renewed(self, link: Link) -> None:
        """A peer has opened its stream anew, and may have forgotten what we said on ours (GS10-28)."""
        self.router.greet_again(link.peer)
        self.flush()

    def _congestion_changed(self, outbound: Outbound) -> None:
        if outbound.congested:
            self.congested.add(outbound.peer)
        else:
            self.congested.discard(outbound.peer)
            self.changed.wake()

    # -- time

    def _heartbeat(self) -> None:
        self.router.handle_timeout(monotonic())
        self.flush()
        for subscriptions in self.subscriptions.values():
            for subscription in subscriptions:
                subscription.report()
        if self._alarm is not None and self.running:
            self._alarm.at_latest(self.router.next_timeout())

    # -- out

    def flush(self) -> int:
        """Send what the router wants sent, and tell what has happened; return how many messages found no room."""
        dropped = 0
        links = self.links
        for peer, rpc in self.router.data_to_send():
            link = links.get(peer)
            if link is not None:
                dropped += _send(link.outbound, rpc)
        for event in self.router.events():
            self._happened(event)
        return dropped

    def flush_soon(self) -> None:
        """Flush at the end of this turn of the loop."""
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self.flush_planned)

    def flush_planned(self) -> None:
        """Flush now, if that was planned for later."""
        if self._planned:
            self._planned = False
            self.flush()

    def _happened(self, event: RouterEvent) -> None:
        """Pass an event of the router on."""
        host = self.host
        match event:
            case PeerSubscribed():
                host.emit(PeerJoinedTopic(peer=event.peer, topic=event.topic))
                self.changed.wake()
            case PeerUnsubscribed():
                host.emit(PeerLeftTopic(peer=event.peer, topic=event.topic))
            case Grafted():
                host.protect(event.peer, f"gossipsub:{event.topic}")
                host.emit(PeerGrafted(peer=event.peer, topic=event.topic))
            case Pruned():
                host.unprotect(event.peer, f"gossipsub:{event.topic}")
                host.emit(PeerPruned(peer=event.peer, topic=event.topic))
            case PeersOffered():
                for peer, addresses in event.peers:
                    self.dials.add(peer, addresses)
            case DirectPeersMissing():
                for peer in event.peers:
                    self.dials.add(peer, wanted=True)

    # -- in

    def settle(self, incoming: Incoming, verdict: Verdict | None) -> None:
        """Do what a validator says; None: there was no room for it."""
        router = self.router
        now = monotonic()
        if verdict is Verdict.ACCEPT:
            router.accept(incoming, now)
            self.deliver(incoming)
        elif verdict is Verdict.REJECT:
            router.reject(incoming, now)
        elif verdict is Verdict.IGNORE:
            router.ignore(incoming, now)
        else:
            router.throttle(incoming, now)

    def deliver(self, incoming: Incoming) -> None:
        """Hand a message to those who have subscribed to its topic."""
        for subscription in self.subscriptions.get(incoming.topic, ()):
            subscription.put(incoming)

    # -- topics

    def subscribe(self, subscription: Subscription) -> None:
        """Add a subscription, and join its topic with the first.

        Raises:
            LocalError: the name of the topic is too long.
        """
        topic = subscription.topic
        if topic not in self.subscriptions:
            self.router.join(topic, monotonic())
        self.subscriptions.setdefault(topic, []).append(subscription)
        self.flush()

    def unsubscribe(self, subscription: Subscription) -> None:
        """Drop a subscription, and leave the topic with the last."""
        topic = subscription.topic
        subscriptions = self.subscriptions.get(topic, [])
        if subscription in subscriptions:
            subscriptions.remove(subscription)
            if not subscriptions:
                del self.subscriptions[topic]
                self.router.leave(topic, monotonic())
                self.flush()


def _send(outbound: Outbound, rpc: Rpc) -> int:
    """Send one RPC; return how many of its messages found no room. HOT PATH."""
    frames = rpc.frames
    if frames is None:
        frames = encode_rpc(rpc)
    messages = len(rpc.publish)
    if len(frames) == messages:
        dropped = 0
        for frame in frames:
            dropped += not outbound.send(frame)
        return dropped
    for frame in frames[: len(frames) - messages]:
        outbound.send_urgent(frame)
    return sum(not outbound.send(frame) for frame in frames[len(frames) - messages :])
