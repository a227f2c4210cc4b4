"""How hard a host tries to get rid of a relay, and how far it goes on behalf of strangers (specs/dcutr.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

from p2pstack.errors import ConfigError

__all__ = ["DcutrConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DcutrConfig:
    """Limits and habits of hole punching. Times are seconds.

    Raises:
        ConfigError: a value can't work.
    """

    max_attempts: int = 3
    """Punches that make up an upgrade, each with messages of its own, as in go and rust (DCUTR-06)."""

    exchange_timeout: float = 10.0
    """For the messages of one punch, as in rust. Against a peer that never answers, or answers so late that half of the
    round trip would be a long wait."""

    direct_timeout: float = 3.0
    """For the dial at the addresses that the peer tells of itself, before anything is punched (DCUTR-02). A peer behind
    a NAT that tells such addresses does not answer there, so this is what its upgrade takes at least."""

    dial_timeout: float = 5.0
    """For the dials of one punch. A NAT may drop their first packets, which are sent again after 1 and 3 seconds."""

    head_start: float = 0.02
    """By how much later than half a round trip this side dials at every second punch. Where no NAT is on the way the
    peer's dial has to come first: ours would meet its listener, and each would leave the first word to the other."""

    settle_time: float = 1.5
    """How long the peer's dial may still come through after all of ours have failed."""

    patience: float = 20.0
    """How long the side that answers waits for the next punch, before it takes the upgrade for a failure."""

    longest_upgrade: float = 120.0
    """For an upgrade in all: the times above allow no more. Against a peer that connects and leaves for ever, and so
    would keep one of the ``max_active`` places."""

    upgrade_timeout: float = 60.0
    """How long a program waits for an upgrade, unless it says otherwise."""

    relay_grace: float = 15.0
    """How long streams on the relayed connection may go on after a success, before it is closed (DCUTR-08)."""

    max_addresses: int = 16
    """Addresses that are sent, and those of a peer that one punch dials: no peer has us dial a list of its choice."""

    max_hosts: int = 4
    """Different IP addresses among those. A peer has one or two of each family; more look like a list of victims."""

    lowest_port: int = 1_024
    """A peer's addresses with a port below are left out. NATs do not give such ports away, and behind them are servers
    of other protocols, which no stranger has to reach through us."""

    max_active: int = 16
    """Upgrades that run at once, with all peers together; further ones are not begun."""

    peer_burst: int = 8
    """Dials, of a punch or before one, that a peer may cause in a row: two whole upgrades ..."""

    peer_interval: float = 15.0
    """... before it may cause only one every so often. Against a peer that comes again and again."""

    burst: int = 64
    """The same for all peers together: peer ids cost nothing ..."""

    interval: float = 0.5
    """... so this bounds what strangers can have us dial: a punch of 16 addresses twice a second."""

    max_remembered: int = 1_024
    """Peers whose rate is remembered; the one that was quiet longest is forgotten first."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not (value > 0 and isfinite(value)):
                raise ConfigError(f"{field.name} must be positive")
            if isinstance(value, int) and value < 1:
                raise ConfigError(f"{field.name} must be at least 1")
