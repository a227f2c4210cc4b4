from __future__ import annotations

from dataclasses import FrozenInstanceError
from math import inf, nan
from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.gater import Gater, GaterConfig
from p2pstack.identity.peer_id import PeerId

PEERS = [PeerId(bytes((0, 1, n))) for n in range(5)]
ONE, OTHER = PEERS[:2]
ALWAYS = 0.999_999_999


class Dice(Random):
    """Chance that always comes out the same."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


def alarmed(config: GaterConfig | None = None) -> Gater:
    """A gater that has seen as many messages throttled as validated, and both peers at an address of their own."""
    gater = Gater(config or GaterConfig(), 0.0)
    gater.add_peer(ONE, "1.1.1.1")
    gater.add_peer(OTHER, "2.2.2.2")
    gater.validated()
    gater.throttled(0.0)
    return gater


def chance(gater: Gater, peer: PeerId, now: float = 0.0) -> float:
    """The probability with which messages of a peer are taken, to nine digits."""
    if gater.accept(peer, now, Dice(ALWAYS)):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(32):
        middle = (low + high) / 2
        if gater.accept(peer, now, Dice(middle)):
            low = middle
        else:
            high = middle
    return round(low, 9)


@pytest.mark.req("GS11-19")
def test_without_throttling_all_pass() -> None:
    gater = Gater(GaterConfig(), 0.0)
    gater.add_peer(ONE, "1.1.1.1")
    for _ in range(100):
        gater.validated()
        gater.rejected(ONE)
    assert gater.accept(ONE, 0.0, Dice(ALWAYS))


@pytest.mark.req("GS11-19")
def test_it_acts_from_the_threshold_on() -> None:
    gater = Gater(GaterConfig(threshold=0.5), 0.0)
    gater.add_peer(ONE, "1.1.1.1")
    gater.rejected(ONE)
    gater.throttled(0.0)
    assert not gater.accept(ONE, 0.0, Dice(ALWAYS)), "nothing was validated at all"
    gater.validated()
    gater.validated()
    assert not gater.accept(ONE, 0.0, Dice(ALWAYS)), "one of two is the threshold"
    gater.validated()
    assert gater.accept(ONE, 0.0, Dice(ALWAYS))


@pytest.mark.req("GS11-19")
def test_it_rests_when_it_was_quiet() -> None:
    gater = alarmed()
    gater.rejected(ONE)
    assert not gater.accept(ONE, 60.0, Dice(ALWAYS))
    assert gater.accept(ONE, 60.001, Dice(ALWAYS))
    gater.throttled(70.0)
    assert not gater.accept(ONE, 130.0, Dice(ALWAYS))


@pytest.mark.req("GS11-19")
@pytest.mark.parametrize(
    ("delivered", "duplicates", "ignored", "rejected", "expected"),
    [
        (0, 0, 0, 0, 1.0),
        (5, 0, 0, 0, 1.0),
        (0, 8, 0, 0, 1 / 2),
        (0, 0, 1, 0, 1 / 2),
        (0, 0, 0, 1, 1 / 17),
        (3, 8, 2, 1, 4 / 23),
        (100, 8, 0, 0, 101 / 102),
    ],
)
def test_the_chance_falls_with_the_share_of_useless_messages(
    delivered: int, duplicates: int, ignored: int, rejected: int, expected: float
) -> None:
    gater = alarmed()
    for _ in range(delivered):
        gater.delivered(ONE, "t")
    for _ in range(duplicates):
        gater.duplicate(ONE)
    for _ in range(ignored):
        gater.ignored(ONE)
    for _ in range(rejected):
        gater.rejected(ONE)
    assert chance(gater, ONE) == pytest.approx(expected)
    assert chance(gater, OTHER) == 1.0
    assert chance(gater, PEERS[2]) == 1.0, "it was never added"


@pytest.mark.req("GS11-19")
def test_topics_weigh_what_the_configuration_says() -> None:
    gater = alarmed(GaterConfig(topic_weights={"dear": 7.0}))
    gater.rejected(ONE)
    gater.delivered(ONE, "dear")
    assert chance(gater, ONE) == pytest.approx(8 / 24)
    gater.delivered(ONE, "other")
    assert chance(gater, ONE) == pytest.approx(9 / 25)


@pytest.mark.req("GS11-19")
def test_peers_of_one_address_share_its_counters() -> None:
    gater = alarmed()
    gater.add_peer(PEERS[2], "1.1.1.1")
    gater.add_peer(PEERS[3])
    gater.add_peer(PEERS[4])
    gater.rejected(ONE)
    gater.ignored(PEERS[3])
    assert chance(gater, PEERS[2]) == chance(gater, ONE) == pytest.approx(1 / 17)
    assert chance(gater, PEERS[4]) == 0.5, "those without an address share as well"
    assert chance(gater, OTHER) == 1.0
    assert len(gater) == 3


@pytest.mark.req("GS11-19")
def test_going_away_washes_nothing_off() -> None:
    gater = alarmed(GaterConfig(retention=100.0))
    gater.rejected(ONE)
    gater.remove_peer(ONE, 1.0)
    assert gater.accept(ONE, 1.0, Dice(ALWAYS)), "it is no peer any more"
    gater.add_peer(PEERS[2], "1.1.1.1")
    gater.throttled(1.0)
    assert chance(gater, PEERS[2], 1.0) == pytest.approx(1 / 17)
    gater.remove_peer(PEERS[2], 2.0)
    gater.decay(102.0)
    assert len(gater) == 2
    gater.decay(103.0)
    assert len(gater) == 1
    gater.throttled(103.0)
    gater.add_peer(ONE, "1.1.1.1")
    assert chance(gater, ONE, 103.0) == 1.0


def test_an_address_stays_while_one_of_its_peers_does() -> None:
    gater = alarmed(GaterConfig(retention=1.0))
    gater.add_peer(PEERS[2], "1.1.1.1")
    gater.add_peer(PEERS[2], "3.3.3.3")
    gater.rejected(ONE)
    gater.remove_peer(ONE, 0.0)
    gater.remove_peer(ONE, 0.0)
    gater.remove_peer(PEERS[4], 0.0)
    gater.decay(5.0)
    assert len(gater) == 2
    gater.validated()
    gater.throttled(5.0)
    assert not gater.accept(PEERS[2], 5.0, Dice(ALWAYS)), "a second address of a peer changes nothing"


@pytest.mark.req("GS11-19")
def test_counters_without_a_peer_are_bounded() -> None:
    gater = Gater(GaterConfig(max_retained=2), 0.0)
    for number in range(5):
        gater.add_peer(ONE, f"1.1.1.{number}")
        gater.rejected(ONE)
        gater.remove_peer(ONE, float(number))
    assert len(gater) == 2
    gater.throttled(5.0)
    for number, expected in ((2, 1.0), (4, 1 / 17)):
        gater.add_peer(PEERS[number], f"1.1.1.{number}")
        assert chance(gater, PEERS[number], 5.0) == pytest.approx(expected)


@pytest.mark.req("GS11-19")
def test_counters_fade_by_whole_intervals() -> None:
    config = GaterConfig(global_decay=0.5, source_decay=0.25, decay_to_zero=0.1)
    gater = alarmed(config)
    gater.ignored(ONE)
    gater.decay(0.9)
    assert chance(gater, ONE) == 0.5
    gater.decay(1.9)
    assert chance(gater, ONE) == pytest.approx(1 / 1.25)
    gater.decay(2.0)
    assert chance(gater, ONE) == 1.0, "0.0625 is as good as nothing"
    gater.rejected(ONE)
    gater.rejected(ONE)
    gater.decay(4.0)
    assert chance(gater, ONE) == 1.0, "the throttling has faded away too"
    gater.throttled(4.0)
    assert chance(gater, ONE) == pytest.approx(1 / 3), "an eighth of a rejected message is left"


@pytest.mark.req("GS11-19")
def test_the_defaults_are_those_of_go() -> None:
    config = GaterConfig()
    weights = (config.duplicate_weight, config.ignore_weight, config.reject_weight)
    assert (config.threshold, config.quiet, weights) == (0.33, 60.0, (0.125, 1.0, 16.0))
    assert config.global_decay**120 == pytest.approx(config.decay_to_zero)
    assert config.source_decay**3600 == pytest.approx(config.decay_to_zero)
    with pytest.raises(FrozenInstanceError):
        config.threshold = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", 0.0),
        ("threshold", nan),
        ("quiet", 0.5),
        ("quiet", inf),
        ("duplicate_weight", 0.0),
        ("ignore_weight", 0.9),
        ("reject_weight", 0.9),
        ("decay_interval", 0.5),
        ("decay_to_zero", 0.0),
        ("decay_to_zero", 1.0),
        ("global_decay", 1.0),
        ("source_decay", -0.5),
        ("source_decay", 1.0),
        ("retention", -1.0),
        ("max_retained", 0),
        ("topic_weights", {"t": 1.0, "u": -1.0}),
    ],
)
def test_values_that_cant_work_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        GaterConfig(**{name: value})  # type: ignore[arg-type]


class Sources(RuleBasedStateMachine):
    """The gater against dicts that keep everything and fade it second by second."""

    CONFIG = GaterConfig(
        global_decay=0.9, source_decay=0.8, decay_to_zero=0.05, quiet=5.0, retention=7.0, max_retained=1_000
    )

    @initialize()
    def begin(self) -> None:
        self.now = self.quiet_since = 0
        self.gater = Gater(self.CONFIG, 0)
        self.totals = {"validated": 0.0, "throttled": 0.0}
        self.where: dict[PeerId, str] = {}
        self.counters: dict[str, dict[str, float]] = {}
        self.gone: dict[str, int] = {}

    @rule(peer=st.sampled_from(PEERS), ip=st.sampled_from(["1.1.1.1", "2.2.2.2", "3.3.3.3"]))
    def add_peer(self, peer: PeerId, ip: str) -> None:
        self.gater.add_peer(peer, ip)
        ip = self.where.setdefault(peer, ip)
        self.gone.pop(ip, None)
        self.counters.setdefault(ip, dict.fromkeys(("delivered", "duplicate", "ignored", "rejected"), 0.0))

    @rule(peer=st.sampled_from(PEERS))
    def remove_peer(self, peer: PeerId) -> None:
        self.gater.remove_peer(peer, self.now)
        ip = self.where.pop(peer, None)
        if ip is not None and ip not in self.where.values():
            self.gone[ip] = self.now

    @rule(peer=st.sampled_from(PEERS), kind=st.sampled_from(["delivered", "duplicate", "ignored", "rejected"]))
    def message(self, peer: PeerId, kind: str) -> None:
        if kind == "delivered":
            self.gater.delivered(peer, "t")
        else:
            getattr(self.gater, kind)(peer)
        if peer in self.where:
            self.counters[self.where[peer]][kind] += 1

    @rule(throttled=st.booleans())
    def validation(self, throttled: bool) -> None:
        if throttled:
            self.gater.throttled(self.now)
            self.quiet_since = self.now
            self.totals["throttled"] += 1
        else:
            self.gater.validated()
            self.totals["validated"] += 1

    @rule(seconds=st.integers(1, 6))
    def heartbeat(self, seconds: int) -> None:
        self.now += seconds
        self.gater.decay(self.now)
        for _ in range(seconds):
            self.fade(self.totals, 0.9)
            for ip, counters in self.counters.items():
                if ip not in self.gone:
                    self.fade(counters, 0.8)
        for ip in [ip for ip, since in self.gone.items() if since + 7 < self.now]:
            del self.gone[ip], self.counters[ip]

    @staticmethod
    def fade(counters: dict[str, float], factor: float) -> None:
        for name, value in counters.items():
            counters[name] = value * factor if value * factor >= 0.05 else 0.0

    def expected(self, peer: PeerId) -> float:
        validated, throttled = self.totals["validated"], self.totals["throttled"]
        rests = self.now - self.quiet_since > 5 or throttled == 0
        if rests or (validated and throttled / validated < 0.33) or peer not in self.where:
            return 1.0
        c = self.counters[self.where[peer]]
        total = c["delivered"] + 0.125 * c["duplicate"] + c["ignored"] + 16 * c["rejected"]
        return (1 + c["delivered"]) / (1 + total)

    @invariant()
    def chances_are_right(self) -> None:
        if hasattr(self, "gater"):
            assert len(self.gater) == len(self.counters)
            for peer in PEERS:
                assert chance(self.gater, peer, self.now) == pytest.approx(min(self.expected(peer), 1.0), abs=1e-6)


TestSources = pytest.mark.req("GS11-19")(Sources.TestCase)
