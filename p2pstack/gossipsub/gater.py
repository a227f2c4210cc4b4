"""Whose messages are taken while there are more than can be validated (GS11-19; specs/gossipsub.md).

An optional circuit breaker. While the queue of validation overflows, messages of a peer are taken with a probability
that falls with the share of useless ones it sent: duplicates, ignored and, worst, rejected ones. Control messages are
always taken, and no peer is ever shut out for good. What is known of a peer belongs to its IP address: peers of one
address share it, and it stays for a while after the last of them went, so new ids do not give a new start.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.entropy import Random
from p2pstack.identity.peer_id import PeerId

__all__ = ["Gater", "GaterConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GaterConfig:
    """When the gater acts, and what it thinks of a peer's messages. Times are seconds; the defaults are go's."""

    threshold: float = 0.33
    """Share of throttled to validated messages at which the gater acts. Against floods of validation."""

    quiet: float = 60.0
    """Without a throttled message for this long, the gater lets everything pass again."""

    duplicate_weight: float = 0.125
    """What a duplicate counts: little, as a mesh makes duplicates. Against peers that send nothing else."""

    ignore_weight: float = 1.0
    """What a message counts that a validator ignored."""

    reject_weight: float = 16.0
    """What a message counts that was rejected. Against peers that keep the validators busy with invalid ones."""

    topic_weights: Mapping[str, float] = field(default_factory=dict)
    """What a delivery counts in which topic, 1 elsewhere: peers that serve the topics that matter come first."""

    decay_interval: float = 1.0
    """Between two decays of the counters."""

    decay_to_zero: float = 0.01
    """A counter below this becomes 0."""

    global_decay: float = 0.01 ** (1 / 120)
    """What is left of the counters of validated and throttled messages after a decay; go: 1 % after two minutes."""

    source_decay: float = 0.01 ** (1 / 3600)
    """What is left of the counters of an address after a decay; go: 1 % after an hour."""

    retention: float = 6 * 3600.0
    """For which the counters of an address stay after its last peer went. Against peers that reconnect."""

    max_retained: int = 16_384
    """Addresses without a peer whose counters are kept; beyond, those left first go. Against address hopping."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            for number in value.values() if isinstance(value, Mapping) else (value,):
                if not isfinite(number) or number <= 0:
                    raise ConfigError(f"{each.name} must be finite and positive")
        for name in ("decay_to_zero", "global_decay", "source_decay"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"{name} must be less than 1")
        for name in ("quiet", "decay_interval", "ignore_weight", "reject_weight"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1")


@dataclass(slots=True)
class _Source:
    """What the peers of one address have sent, and how many of them are here."""

    ip: str
    peers: int = 0
    forget_at: float = 0.0  # counts only while no peer is here
    delivered: float = 0.0
    duplicate: float = 0.0
    ignored: float = 0.0
    rejected: float = 0.0


class Gater:
    """Decides for each RPC whether its messages are taken. Peers that were not added are unknown, and pass.

    Args:
        config: when it acts, and how it weighs.
        now: from which the decays are counted.
    """

    __slots__ = (
        "_config",
        "_decayed_at",
        "_last_throttle",
        "_peers",
        "_retained",
        "_sources",
        "_throttled",
        "_validated",
    )

    def __init__(self, config: GaterConfig, now: float) -> None:
        self._config = config
        self._decayed_at = now
        self._last_throttle = now
        self._validated = 0.0
        self._throttled = 0.0
        self._peers: dict[PeerId, _Source] = {}
        self._sources: dict[str, _Source] = {}  # of the peers that are here
        self._retained: OrderedDict[str, _Source] = OrderedDict()  # of those that went, the longest gone first

    def __len__(self) -> int:
        """Addresses whose counters are held."""
        return len(self._sources) + len(self._retained)

    def add_peer(self, peer: PeerId, ip: str = "") -> None:
        """Count a peer in at its address; without one it shares the counters of all whose address is unknown.

        A peer that is known already stays at the address that it came with.
        """
        if peer in self._peers:
            return
        source = self._sources.get(ip)
        if source is None:
            source = self._retained.pop(ip) if ip in self._retained else _Source(ip)
            self._sources[ip] = source
        source.peers += 1
        self._peers[peer] = source

    def remove_peer(self, peer: PeerId, now: float) -> None:
        """Count a peer out, and keep the counters of its address for a while after the last one."""
        source = self._peers.pop(peer, None)
        if source is None:
            return
        source.peers -= 1
        if not source.peers:
            source.forget_at = now + self._config.retention
            self._retained[source.ip] = self._sources.pop(source.ip)
            if len(self._retained) > self._config.max_retained:
                self._retained.popitem(last=False)

    def validated(self) -> None:
        """Count a message whose validation begins."""
        self._validated += 1

    def throttled(self, now: float) -> None:
        """Count a message that was dropped because too many were being validated."""
        self._throttled += 1
        self._last_throttle = now

    def delivered(self, peer: PeerId, topic: str) -> None:
        """Count a valid message that ``peer`` was the first to send."""
        source = self._peers.get(peer)
        if source is not None:
            source.delivered += self._config.topic_weights.get(topic, 1.0)

    def duplicate(self, peer: PeerId) -> None:
        """Count a message of ``peer`` that was seen before."""
        source = self._peers.get(peer)
        if source is not None:
            source.duplicate += 1

    def ignored(self, peer: PeerId) -> None:
        """Count a message of ``peer`` that a validator ignored."""
        source = self._peers.get(peer)
        if source is not None:
            source.ignored += 1

    def rejected(self, peer: PeerId) -> None:
        """Count a message of ``peer`` that was rejected, by a validator or before."""
        source = self._peers.get(peer)
        if source is not None:
            source.rejected += 1

    def accept(self, peer: PeerId, now: float, random: Random) -> bool:
        """Return whether messages of ``peer`` are taken now; its control messages are in any case."""
        config = self._config
        if not self._throttled or now - self._last_throttle > config.quiet:
            return True
        if self._throttled < config.threshold * self._validated:
            return True
        source = self._peers.get(peer)
        if source is None:
            return True
        total = (
            source.delivered
            + config.duplicate_weight * source.duplicate
            + config.ignore_weight * source.ignored
            + config.reject_weight * source.rejected
        )
        # The ones spare a peer its first fault, and leave the worst one a chance.
        return random.random() < (1 + source.delivered) / (1 + total)

    def decay(self, now: float) -> None:
        """Let the counters fade for the whole intervals that passed, and forget addresses (at each heartbeat).

        Counters of an address without a peer do not fade, as in go: going away is no way out.
        """
        config = self._config
        ticks = int((now - self._decayed_at) / config.decay_interval)
        if ticks < 1:
            return
        self._decayed_at += ticks * config.decay_interval
        factor = config.global_decay**ticks
        self._validated = self._faded(self._validated, factor)
        self._throttled = self._faded(self._throttled, factor)
        factor = config.source_decay**ticks
        for source in self._sources.values():
            source.delivered = self._faded(source.delivered, factor)
            source.duplicate = self._faded(source.duplicate, factor)
            source.ignored = self._faded(source.ignored, factor)
            source.rejected = self._faded(source.rejected, factor)
        while self._retained and next(iter(self._retained.values())).forget_at < now:
            self._retained.popitem(last=False)

    def _faded(self, counter: float, factor: float) -> float:
        counter *= factor
        return counter if counter >= self._config.decay_to_zero else 0.0
