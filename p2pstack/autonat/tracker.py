"""Which addresses are followed, what is believed of each and of the whole host, and what to ask next."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import TypeAlias

from p2pstack.autonat.config import ConfidenceConfig
from p2pstack.autonat.reachability import Confidence, Reachability
from p2pstack.identity.multiaddrs import Multiaddr

__all__ = ["ReachabilityTracker", "Subject"]

Subject: TypeAlias = Multiaddr | None
"""What an answer is about: an address; None: the whole host, of which version 1 speaks."""


class ReachabilityTracker:
    """Turns answers about addresses into what is believed, and says which are wanted.

    The caller passes the time, asks servers what :meth:`wanted` returns, between :meth:`begin` and :meth:`end`, and
    reports by :meth:`answer` what they say.
    """

    def __init__(self, config: ConfidenceConfig) -> None:
        self._config = config
        self._known: dict[Multiaddr, Confidence] = {}
        self._host = Confidence(config)
        self.reachability = Reachability.UNKNOWN
        self.public: tuple[Multiaddr, ...] = ()

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """The addresses that are followed."""
        return tuple(self._known)

    def reachability_of(self, address: Multiaddr) -> Reachability:
        """Return what is believed of an address."""
        known = self._known.get(address)
        return known.reachability if known is not None else Reachability.UNKNOWN

    def follow(self, addresses: Iterable[Multiaddr], now: float) -> None:
        """Follow these addresses, at most ``max_addresses``; forget others and old answers.

        What is believed to be public is followed on until it has been disproved, or not been confirmed for long: that
        nobody says any more that he sees us there means little.
        """
        chosen = list(dict.fromkeys([*self.public, *addresses]))[: self._config.max_addresses]
        self._known = {each: self._known.get(each) or Confidence(self._config) for each in chosen}
        for each in (*self._known.values(), self._host):
            each.expire(now)
        self._conclude()

    def wanted(self, now: float) -> list[Multiaddr]:
        """Return the addresses that servers should be asked about now."""
        return [address for address, each in self._known.items() if each.missing(now)]

    def ordered(self, addresses: Iterable[Multiaddr], group: str, now: float) -> list[Multiaddr]:
        """Return followed addresses in the order in which to ask a server of ``group`` about them.

        First come those that the group has said nothing of yet, since only that brings us further; then those that
        miss most answers.
        """
        return sorted(addresses, key=lambda each: (self._known[each].heard(group), -self._known[each].missing(now)))

    def host_wanted(self, now: float) -> bool:
        """Whether a server of version 1 should be asked about the whole host now."""
        return self._host.missing(now) > 0

    def next_at(self) -> float:
        """Return when an address will be wanted if no answer comes before; -inf: one is now; inf: none is followed."""
        return min((each.next_at() for each in self._known.values()), default=inf)

    def host_next_at(self) -> float:
        """Return the same for the whole host."""
        return self._host.next_at()

    def begin(self, subject: Subject) -> None:
        """Note that a question is on its way."""
        known = self._of(subject)
        if known is not None:
            known.asking += 1

    def end(self, subject: Subject) -> None:
        """Note that a question is over, with an answer or without."""
        known = self._of(subject)
        if known is not None:
            known.asking = max(0, known.asking - 1)

    def answer(self, subject: Subject, group: str, *, reachable: bool, now: float, jitter: float) -> None:
        """Take what servers of ``group`` say; of an address that is not followed any more nothing is kept."""
        known = self._of(subject)
        if known is not None:
            known.record(group, reachable=reachable, now=now, jitter=jitter)
            self._conclude()

    def _of(self, subject: Subject) -> Confidence | None:
        return self._host if subject is None else self._known.get(subject)

    def _conclude(self) -> None:
        """Work out what holds for the whole host.

        It is public where an address is; private where all addresses are, or the answers about the host say so. It
        stays private while one address is: a new one, of which nothing is known yet, changes nothing.
        """
        beliefs = [each.reachability for each in self._known.values()]
        self.public = tuple(a for a, each in self._known.items() if each.reachability is Reachability.PUBLIC)
        private = beliefs.count(Reachability.PRIVATE)
        was_private = self.reachability is Reachability.PRIVATE
        if self.public:
            self.reachability = Reachability.PUBLIC
        elif self._host.reachability is Reachability.PRIVATE or (private and (was_private or private == len(beliefs))):
            self.reachability = Reachability.PRIVATE
        else:
            self.reachability = Reachability.UNKNOWN
