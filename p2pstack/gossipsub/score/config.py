"""Weights, caps and decays of the score, and the thresholds that the router holds it against (specs/gossipsub.md).

Every number is finite and at most ``MAX_NUMBER`` in size: so no counter can ever make a score infinite or NaN, which
would compare with no threshold.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

from p2pstack.errors import ConfigError
from p2pstack.identity.peer_id import PeerId

__all__ = ["MAX_NUMBER", "ScoreConfig", "TopicScoreConfig", "decay_factor", "no_opinion"]

MAX_NUMBER = 1e12
"""The largest size of a weight, a cap, a threshold or a time."""

MIN_QUANTUM = 1e-9
"""Seconds of the shortest quantum of time in mesh: go counts time in nanoseconds."""


def decay_factor(time: float, interval: float = 1.0, to_zero: float = 0.01) -> float:
    """Return what a counter is multiplied with each ``interval``, to fall from 1 to ``to_zero`` in ``time`` (GS11-38).

    Both are seconds; only whole intervals count.

    Raises:
        ConfigError: ``time`` is shorter than one interval, or ``to_zero`` is not between 0 and 1.
    """
    if not 0 < to_zero < 1:
        raise ConfigError("to_zero must be between 0 and 1")
    if not 0 < interval <= time <= MAX_NUMBER:
        raise ConfigError("time must be finite and at least one interval, which must be positive")
    # Seconds are floats: 0.3 / 0.1 is a little less than the three intervals that are meant.
    ticks = int(time / interval + 1e-9)
    return float(to_zero ** (1 / ticks))


def no_opinion(_peer: PeerId) -> float:
    """Return 0: the application has nothing to say about any peer (GS11-35)."""
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicScoreConfig:
    """How one topic counts (GS11-30 to GS11-34). Times are seconds; a weight of 0 switches its term off.

    The values are rust's and js's, except that P3 and P3b are off: what a peer owes depends on how much is published.

    Raises:
        ConfigError: a value breaks GS11-21.
    """

    topic_weight: float = 0.5
    """What the sum of the terms below is multiplied with."""

    time_in_mesh_weight: float = 1.0
    """P1: reward for staying in the mesh. Against peers that hop between meshes."""

    time_in_mesh_quantum: float = 0.001
    """Time in the mesh that counts 1."""

    time_in_mesh_cap: float = 3_600.0
    """The most that P1 counts, so that age alone does not pay for later misdeeds."""

    first_message_deliveries_weight: float = 1.0
    """P2: reward for being the first that delivers a valid message, in the mesh or not."""

    first_message_deliveries_decay: float = 0.5
    """Factor of the counter at each decay."""

    first_message_deliveries_cap: float = 2_000.0
    """The most that P2 counts. Against peers that buy themselves credit with a burst of messages."""

    mesh_message_deliveries_weight: float = 0.0
    """P3: penalty for peers of a mesh that deliver too little. Against sybils that sit in a mesh and stay silent."""

    mesh_message_deliveries_decay: float = 0.5
    """Factor of the counter at each decay."""

    mesh_message_deliveries_cap: float = 100.0
    """The most that the counter can be, so that what was delivered long ago excuses nothing."""

    mesh_message_deliveries_threshold: float = 20.0
    """The counter that is owed; the penalty is the square of what is missing."""

    mesh_message_deliveries_window: float = 0.01
    """After validation, within which a copy still counts. Against peers that replay what they got from us."""

    mesh_message_deliveries_activation: float = 5.0
    """Time in the mesh that a peer has until it owes deliveries."""

    mesh_failure_penalty_weight: float = 0.0
    """P3b: penalty that stays after a peer left the mesh owing deliveries. Against leaving to get rid of P3."""

    mesh_failure_penalty_decay: float = 0.5
    """Factor of the counter at each decay."""

    invalid_message_deliveries_weight: float = -1.0
    """P4: penalty for invalid messages, by the square of their number. Against spam."""

    invalid_message_deliveries_decay: float = 0.3
    """Factor of the counter at each decay."""

    def __post_init__(self) -> None:
        """Refuse values that can't work (GS11-21)."""
        for each in fields(self):
            _check_number(each.name, getattr(self, each.name))
        _check_not_negative(
            self,
            "topic_weight",
            "time_in_mesh_weight",
            "time_in_mesh_cap",
            "first_message_deliveries_weight",
            "first_message_deliveries_cap",
            "mesh_message_deliveries_cap",
            "mesh_message_deliveries_threshold",
            "mesh_message_deliveries_window",
        )
        _check_not_positive(
            self,
            "mesh_message_deliveries_weight",
            "mesh_failure_penalty_weight",
            "invalid_message_deliveries_weight",
        )
        _check_factors(
            self,
            "first_message_deliveries_decay",
            "mesh_message_deliveries_decay",
            "mesh_failure_penalty_decay",
            "invalid_message_deliveries_decay",
        )
        if self.time_in_mesh_quantum < MIN_QUANTUM:
            raise ConfigError("time_in_mesh_quantum must be at least a nanosecond")
        if self.mesh_message_deliveries_activation < 1:
            raise ConfigError("mesh_message_deliveries_activation must be at least a second")
        self._check_needed()

    def _check_needed(self) -> None:
        """What a term that is switched on can't do without."""
        for weight, name in (
            ("time_in_mesh_weight", "time_in_mesh_cap"),
            ("first_message_deliveries_weight", "first_message_deliveries_cap"),
            ("mesh_message_deliveries_weight", "mesh_message_deliveries_cap"),
            ("mesh_message_deliveries_weight", "mesh_message_deliveries_threshold"),
            ("mesh_failure_penalty_weight", "mesh_message_deliveries_cap"),
            ("mesh_failure_penalty_weight", "mesh_message_deliveries_threshold"),
        ):
            if getattr(self, weight) and not getattr(self, name):
                raise ConfigError(f"{name} must be positive where {weight} is not 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreConfig:
    """How peers are scored, and from which scores on the router acts. Times are seconds.

    The values are rust's and js's; :mod:`p2pstack.gossipsub.score.presets` has others.

    Raises:
        ConfigError: a value breaks GS11-18 or GS11-21.
    """

    topics: Mapping[str, TopicScoreConfig] = field(default_factory=dict)
    """The topics that are scored; what a peer does in others neither earns nor costs anything."""

    topic_score_cap: float = 3_600.0
    """The most that all topics together can add; 0 is no cap. Against credit that outweighs any penalty."""

    app_specific_score: Callable[[PeerId], float] = no_opinion
    """P5: what the application thinks of a peer; called at every look at a score, so it has to be fast, and mustn't
    raise. NaN counts as 0, and what is beyond ``MAX_NUMBER`` as that."""

    app_specific_weight: float = 10.0
    """What the application's score is multiplied with; of either sign."""

    ip_colocation_weight: float = -5.0
    """P6: penalty for peers that share an IP address. Against sybils: addresses cost more than peer ids (GS11-36)."""

    ip_colocation_threshold: float = 10.0
    """Peers on one address, or in one IPv6 /64, that are free: households and data centres share addresses."""

    ip_colocation_whitelist: tuple[str, ...] = ()
    """Networks, as ``10.0.0.0/8``, whose peers may share addresses: own machines behind one gateway."""

    behaviour_penalty_weight: float = -10.0
    """P7: penalty for breaking the rules of the mesh, as GRAFT in back-off and broken promises (GS11-37)."""

    behaviour_penalty_threshold: float = 0.0
    """Faults that are free: a busy peer misses a promise now and then."""

    behaviour_penalty_decay: float = 0.2
    """Factor of the counter of faults at each decay."""

    decay_interval: float = 1.0
    """Between two decays of all counters (GS11-38)."""

    decay_to_zero: float = 0.1
    """Counters below it are set to 0, so that they do end."""

    retain_score: float = 3_600.0
    """For which a peer with a score of 0 or less is remembered. Against reconnecting to be new again (GS11-39)."""

    gossip_threshold: float = -10.0
    """Below it a peer gets no gossip, and its gossip is ignored."""

    publish_threshold: float = -50.0
    """Below it own messages are not sent to a peer outside of the mesh."""

    graylist_threshold: float = -80.0
    """Below it all that a peer sends is dropped unread (GS11-17)."""

    accept_px_threshold: float = 10.0
    """From it on peers that a PRUNE names are dialled. Against eclipses: only trusted peers may name others."""

    opportunistic_graft_threshold: float = 20.0
    """While the median score of a mesh is below it, better peers are grafted. Against meshes full of silent sybils."""

    max_deliveries: int = 131_072
    """Messages of which is remembered who sent them; beyond, the oldest go first. Against floods (GS11-41)."""

    max_retained: int = 4_096
    """Peers that are remembered after they left; beyond, blameless ones go first, then those that left first.
    Against floods of peers that come and go."""

    def __post_init__(self) -> None:
        """Refuse values that can't work (GS11-18, GS11-21)."""
        for each in fields(self):
            if each.name not in {"topics", "app_specific_score", "ip_colocation_whitelist"}:
                _check_number(each.name, getattr(self, each.name))
        _check_not_negative(
            self,
            "topic_score_cap",
            "behaviour_penalty_threshold",
            "retain_score",
            "accept_px_threshold",
            "opportunistic_graft_threshold",
            "max_retained",
        )
        _check_not_positive(self, "ip_colocation_weight", "behaviour_penalty_weight", "gossip_threshold")
        _check_factors(self, "behaviour_penalty_decay", "decay_to_zero")
        for name in ("ip_colocation_threshold", "decay_interval", "max_deliveries"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1")
        if not self.graylist_threshold <= self.publish_threshold <= self.gossip_threshold:
            raise ConfigError("graylist_threshold, publish_threshold, gossip_threshold must rise in this order")
        for network in self.ip_colocation_whitelist:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError as error:
                raise ConfigError(f"ip_colocation_whitelist: {error}") from None


def _check_number(name: str, value: float) -> None:
    # Written so that NaN, which compares with nothing, is refused as well.
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise ConfigError(f"{name} must be finite, and at most {MAX_NUMBER:g} in size")


def _check_not_negative(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) < 0:
            raise ConfigError(f"{name} must not be negative")


def _check_not_positive(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) > 0:
            raise ConfigError(f"{name} must not be positive")


def _check_factors(config: object, *names: str) -> None:
    for name in names:
        if not 0 < getattr(config, name) < 1:
            raise ConfigError(f"{name} must be between 0 and 1")
