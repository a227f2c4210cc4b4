"""One run of a simulated DHT: what happens to it, and the figures of its lookups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, log2
from typing import NamedTuple

from p2pstack.errors import ConfigError
from p2pstack.kad.config import KadConfig
from p2pstack.kad.keyspace import common_prefix, position
from p2pstack.kad.value_query import ValueQuery
from p2pstack.testing.simulation.kad.attackers import eclipse, replace_by_liars
from p2pstack.testing.simulation.kad.figures import DhtFigures, dht_figures_of
from p2pstack.testing.simulation.kad.network import DhtNetwork
from p2pstack.testing.simulation.kad.record import LookupTrace
from p2pstack.testing.simulation.kad.scenarios import churn, find_some, leave, publish, read_some
from p2pstack.testing.simulation.kad.sessions import Sessions
from p2pstack.testing.simulation.links import Latency

__all__ = ["CHURN_SECONDS", "Outcome", "Trial"]

CHURN_SECONDS = 1_800.0
"""For which nodes have come and gone before the first lookup: three times the interval between two refreshes."""

_BETA_OF_GO = 3


class Outcome(NamedTuple):
    """What a trial gave."""

    figures: DhtFigures
    traces: Sequence[LookupTrace]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is simulated.

    Raises:
        ConfigError: a value can't work.
    """

    nodes: int = 10_000
    seed: int = 7
    lookups: int = 1_000
    """Of nodes by chance, by nodes chosen by chance; with ``sybils`` as many of their key, at most one by each node."""

    alpha: int = 10
    paths: int = 1
    go: bool = False
    """Whether lookups are as go's: three nearest that have answered end them, and all wait for who is slow."""

    limits: bool = False
    """Whether lookups and tables take few peers of one IP group, as in the public network (KAD-21)."""

    gone: float = 0.0
    """Share of nodes that go just before."""

    churn: float = 0.0
    """Median session in hours; 0: nobody comes or goes."""

    liars: float = 0.0
    """Share of nodes that name 10,000 peers of nobody."""

    sybils: int = 0
    """Attackers around a key, nearer to it than the honest, who were there before a value is stored under it."""

    sybil_groups: int = 1
    """IP groups that these live in; 0: any."""

    latency: Latency | None = None
    """None: 10 to 150 ms, by places on a map."""

    encoded: bool = False

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        if self.nodes < 2 or self.lookups < 1 or not 0 <= self.gone <= 0.9 or not 0 <= self.liars <= 0.9:
            raise ConfigError("it takes 2 nodes and 1 lookup at least, and shares from 0 to 0.9")
        if not 0 <= self.churn <= 1_000 or self.sybils < 0 or not 0 <= self.sybil_groups <= 256:
            raise ConfigError(
                "sessions, sybils and their IP groups can't be negative, nor more than 1000 hours and 256"
            )

    @property
    def config(self) -> KadConfig:
        """The numbers of all nodes."""
        ours = KadConfig()
        limits = KadConfig.public() if self.limits else ours
        return KadConfig(
            alpha=self.alpha,
            beta=_BETA_OF_GO if self.go else ours.beta,
            patience=ours.peer_timeout if self.go else ours.patience,
            paths=self.paths,
            max_from_group=limits.max_from_group,
            max_group_in_bucket=limits.max_group_in_bucket,
            max_group_in_table=limits.max_group_in_table,
        )

    def run(self) -> Outcome:
        """Simulate it.

        Raises:
            ConfigError: the numbers of a lookup can't work, or hardly anybody is left.
        """
        network = DhtNetwork(seed=self.seed, config=self.config, latency=self.latency, encoded=self.encoded)
        network.add_nodes(self.nodes)
        network.settle()
        leave(network, self.gone)
        replace_by_liars(network, self.liars)
        if len(network.nodes) < 2:
            raise ConfigError("two nodes at least have to be there still, and honest")
        if self.churn:
            churn(network, Sessions(3_600 * self.churn, network.make_random("sessions")), CHURN_SECONDS)
        reads = self._read_among_sybils(network) if self.sybils else []
        traces = find_some(network, self.lookups)
        return Outcome(dht_figures_of(network, traces, reads), traces)

    def _read_among_sybils(self, network: DhtNetwork) -> list[ValueQuery]:
        """Put attackers nearer to a key than all honest nodes, store a value there, and let others look it up.

        The key has no honest node nearer than one in the mean: with another it would cost more hashes, and no more.
        """
        keys = (b"/sim/wanted %d" % number for number in count())
        shared = ((key, common_prefix(position(key), network.closest(key)[0].position)) for key in keys)
        key, bits = next((key, bits) for key, bits in shared if bits <= ceil(log2(self.nodes)))
        eclipse(network, key, self.sybils, bits=bits + 1, groups=self.sybil_groups)
        publish(network, network.nodes[0], key, b"value")
        return read_some(network, key, self.lookups)
