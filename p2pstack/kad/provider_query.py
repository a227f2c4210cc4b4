"""A lookup of who provides something (KAD-06, KAD-16; specs/kad.md)."""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import ProviderFound
from p2pstack.kad.filters import admit
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.path import Candidate
from p2pstack.kad.query import Query, Verdict

__all__ = ["ProviderQuery"]


class ProviderQuery(Query):
    """Asks the peers nearest to a key for its providers, and ends with ``count`` of them; with 0 at the end."""

    kind = MessageType.GET_PROVIDERS

    def __init__(
        self,
        *,
        own: PeerId,
        key: bytes,
        seeds: Iterable[Contact],
        config: KadConfig,
        now: float,
        count: int = 0,
    ) -> None:
        self._providers: dict[PeerId, Contact] = {}
        most = config.max_found_providers
        self._wanted = min(count, most) if count else most
        super().__init__(own=own, key=key, seeds=seeds, config=config, now=now)

    @property
    def providers(self) -> list[Contact]:
        """The providers that were found, with the addresses that were told of them; some have none (KAD-16)."""
        return list(self._providers.values())

    def _take(self, candidate: Candidate, answer: Message) -> Verdict:
        for contact in answer.providers[: self._config.max_told_providers]:
            self._find(contact)
            if len(self._providers) >= self._wanted:
                return Verdict.ENOUGH
        return Verdict.GO_ON

    def _find(self, contact: Contact) -> None:
        peer = contact.peer
        if peer == self._own:
            return
        # A provider that is listed without addresses may be known otherwise: the filter is for addresses alone.
        admitted = admit(self._config.network, contact) or Contact(peer)
        known = self._providers.get(peer)
        if known is None:
            self._providers[peer] = admitted
            self._events.append(ProviderFound(contact=admitted))
        else:
            self._providers[peer] = known.with_addresses(admitted.addresses, self._config.max_addresses)
