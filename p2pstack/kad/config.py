"""All numbers of the DHT, and what each of them is against (specs/kad.md). Times are in seconds, sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

from p2pstack.errors import ConfigError
from p2pstack.kad.filters import Network

__all__ = ["NO_LIMIT", "KadConfig"]

_HOUR = 3_600.0

NO_LIMIT = 1_000_000
"""More peers than any table or lookup has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KadConfig:
    """How a node takes part in a DHT.

    The defaults fit private networks, those of go and rust too; for the public network take :meth:`public`.

    Raises:
        ConfigError: a value can't work.
    """

    # -- the network

    k: int = 20
    """Peers in a bucket, in an answer, and in a lookup's result (KAD-02)."""

    network: Network = Network.ANY
    """Which addresses are served, stored and asked (KAD-13)."""

    # -- lookups

    alpha: int = 10
    """Requests of a lookup that are under way at once, as in go (KAD-02)."""

    beta: int = 20
    """The nearest peers that must have answered before a lookup walks no further. Go's 3 fail in sparse tables
    (KAD-04)."""

    paths: int = 1
    """Disjoint paths of a lookup: each peer is asked on one alone, and a liar misleads no more than its own."""

    peer_timeout: float = 10.0
    """For which one peer's answer is waited for, dialling included (KAD-07)."""

    patience: float = 2.0
    """After which a peer that has not answered holds up no lookup: others are asked in its place, and its answer is
    taken if it still comes. Most of those that are gone never refuse a connection."""

    query_timeout: float = 60.0
    """After which a lookup ends with what it has (KAD-17)."""

    max_requests: int = 256
    """Requests of one lookup. Against liars that always name somebody nearer; an honest network takes 20 to 60."""

    max_candidates: int = 320
    """Peers that wait to be asked on one path; beyond, the farthest are forgotten. Against answers full of peers."""

    max_from_group: int = NO_LIMIT
    """Peers of one IP group that one lookup asks. Against an attacker with many ids and few addresses; unlimited here,
    since all nodes of a private network may live in one group, and limited by :meth:`public` (KAD-21)."""

    max_found_providers: int = 1_000
    """Providers that one lookup collects, whatever was asked for."""

    # -- messages

    max_received: int = 4 * 1024 * 1024
    """The longest answer that is read, as in go (KAD-01)."""

    max_request: int = 32_768
    """The longest request that is read, twice what rust writes: none holds more than a value or the addresses of its
    sender. Against slow streams that fill memory (KAD-22)."""

    max_sent: int = 16_384
    """The longest message that is written: rust reads no longer ones (KAD-01)."""

    max_fields: int = 65_536
    """Fields of a message. Against long messages made of the shortest fields."""

    max_closer: int = 40
    """Closer peers that are taken of an answer, 2 k as in go; the rest is not even parsed (KAD-04)."""

    max_told_providers: int = 256
    """Providers that are taken of a message."""

    max_peer_size: int = 16_384
    """Bytes of one peer in a message; a longer one is skipped. Go cuts addresses at 8 KiB."""

    max_addresses: int = 16
    """Addresses that are kept of a peer; a lookup may dial them all."""

    max_key: int = 1_024
    """Bytes of a key in any request."""

    # -- the routing table

    max_replacements: int = 8
    """Peers that wait for a place in a full bucket; beyond, the oldest is forgotten (KAD-11)."""

    max_failures: int = 2
    """Failed requests in a row after which a peer leaves; one does where somebody waits for its place (KAD-11)."""

    max_group_in_bucket: int = NO_LIMIT
    """Peers of one IP group in a bucket. Against sybils, as ``max_from_group`` (KAD-21)."""

    max_group_in_table: int = NO_LIMIT
    """Peers of one IP group in the whole table (KAD-21)."""

    silence: float = 43 * 60.0
    """After which a peer that was not heard of is asked whether it is there, as in go (KAD-11)."""

    refresh_interval: float = 600.0
    """Between two refreshes of the table (KAD-12)."""

    small_table: int = 10
    """With no more peers than these the table is refreshed sooner (KAD-12)."""

    small_table_interval: float = 120.0
    """Between two refreshes of a small table (KAD-12)."""

    min_refresh_interval: float = 10.0
    """Between two refreshes in any case. Against tables that never settle, and refresh without end (KAD-12)."""

    # -- what is stored for others

    max_value: int = 12 * 1024
    """The longest value: 20 peers share a message of rust's 16 KiB with it (KAD-14)."""

    max_values: int = 1_024
    """Values that are stored; beyond, the one farthest from us goes (KAD-06)."""

    value_lifetime: float = 48 * _HOUR
    """For which a value is served after it came (KAD-15)."""

    max_provider_key: int = 80
    """Bytes of a key that providers announce, as in go (KAD-06)."""

    max_provided_keys: int = 1_024
    """Keys with providers; beyond, the one farthest from us goes (KAD-06)."""

    max_providers: int = 20
    """Providers of one key; beyond, the one farthest from the key goes (KAD-06)."""

    value_interval: float = 22 * _HOUR
    """Between two PUTs of an own value, as it takes with nodes of rust's 36 hours (KAD-15)."""

    provider_interval: float = 12 * _HOUR
    """Between two announcements as a provider: rust forgets them after 24 hours (KAD-06)."""

    max_publications: int = 4_096
    """Own values, and own provided keys, that are sent again and again."""

    provider_lifetime: float = 48 * _HOUR
    """For which a provider is served after it announced itself (KAD-06)."""

    provider_address_lifetime: float = 24 * _HOUR
    """For which its addresses are; then it is listed without (KAD-06)."""

    @classmethod
    def public(cls) -> KadConfig:
        """Return the numbers for the public network: public addresses alone, and few peers of one IP group.

        Those of go for tables, and one of ours for lookups, without which that of tables does not help (KAD-21).
        """
        return cls(network=Network.PUBLIC, max_from_group=8, max_group_in_bucket=2, max_group_in_table=3)

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Network):
                continue
            if not isfinite(value) or value <= 0:
                raise ConfigError(f"{each.name} must be finite and positive")
        if self.beta > self.k:
            raise ConfigError("beta must not be more than k: a lookup returns no more peers than k")
        if self.paths > self.alpha:
            raise ConfigError("paths must not be more than alpha: each needs a request under way")
        if self.max_value + self.max_key >= self.max_sent:
            raise ConfigError("a value and its key must fit into max_sent")
        if not self.max_sent <= self.max_request <= self.max_received:
            raise ConfigError("max_request must be from max_sent, which others may send too, to max_received")
