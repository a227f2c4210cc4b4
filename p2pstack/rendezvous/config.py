"""What a rendezvous point allows, each with the reason it exists (RDV-05, RDV-07, RDV-09; specs/rendezvous.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

from p2pstack.errors import ConfigError
from p2pstack.rendezvous.messages import MAX_REGISTRATIONS
from p2pstack.rendezvous.protocols import DEFAULT_TTL, MAX_MESSAGE, MAX_NAMESPACE, MAX_TTL, MIN_TTL

__all__ = ["RendezvousConfig"]

OVERHEAD = 64
"""More bytes than a registration takes in an answer beside its namespace and its record, or an answer beside those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RendezvousConfig:
    """The configuration of a rendezvous point. Times are seconds, sizes bytes."""

    min_ttl: int = MIN_TTL
    """The shortest life of a registration that is taken. Against peers that register all the time."""

    default_ttl: int = DEFAULT_TTL
    """The life of a registration that does not say."""

    max_ttl: int = MAX_TTL
    """The longest life that is taken: for so long somebody who is gone is told of."""

    max_registrations: int = 20_000
    """Registrations in all. Against floods of peers."""

    registrations_per_peer: int = 1_000
    """Registrations of one peer, each in another namespace. Against one that takes all places."""

    registrations_per_group: int = 2_000
    """Registrations that come from one IP group, an IPv4 /16 or an IPv6 /32 of public addresses. Against one machine
    that makes ids up: it takes ten groups to fill the point."""

    max_namespaces: int = 10_000
    """Namespaces that have registrations. Against names without end."""

    max_record: int = 4_096
    """Of a signed record; one with 32 addresses takes half of it. Against records that fill the memory."""

    discover_limit: int = MAX_REGISTRATIONS
    """Registrations of one answer; who wants more goes on with the cookie."""

    max_answer: int = 262_144
    """Of an answer: it is cut before the registration that does not fit. Against small questions with large answers."""

    max_request: int = 8_192
    """Of a request; beyond, its stream is reset."""

    streams_per_connection: int = 8
    """Streams of one connection that are served at once; further ones are reset."""

    request_timeout: float = 15.0
    """For the next request of a stream to come whole, and an answer to be taken. Against streams that say nothing."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not (value > 0 and isfinite(value)):
                raise ConfigError(f"{field.name} must be positive")
            if isinstance(value, int) and value < 1:
                raise ConfigError(f"{field.name} must be at least 1")
        if not self.min_ttl <= self.default_ttl <= self.max_ttl:
            raise ConfigError("default_ttl must be from min_ttl to max_ttl")
        if self.discover_limit > MAX_REGISTRATIONS:
            raise ConfigError(f"discover_limit must be at most {MAX_REGISTRATIONS}: nobody reads more")
        smallest = self.max_record + 2 * (MAX_NAMESPACE + OVERHEAD)
        if not smallest <= self.max_answer <= MAX_MESSAGE:
            raise ConfigError(f"max_answer must hold a record and be at most {MAX_MESSAGE}")
        if self.max_request < self.max_record + MAX_NAMESPACE + OVERHEAD:
            raise ConfigError("max_request must hold a record")
