"""A node of a simulated DHT: the production machines, and the little that drives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from p2pstack.errors import ProtocolViolation
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Ask, Finished, GiveUp, PeerFound
from p2pstack.kad.keyspace import position
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.provider_query import ProviderQuery
from p2pstack.kad.providers import Providers
from p2pstack.kad.query import Query
from p2pstack.kad.records import Record
from p2pstack.kad.responder import Responder
from p2pstack.kad.store import MemoryStore
from p2pstack.kad.table import RoutingTable
from p2pstack.kad.validators import Validators
from p2pstack.kad.value_query import ValueQuery
from p2pstack.kad.values import Values

if TYPE_CHECKING:
    from p2pstack.testing.simulation.kad.network import DhtNetwork

__all__ = ["AnyValue", "DhtNode"]

AnyQuery = TypeVar("AnyQuery", bound=Query)


class AnyValue:
    """The validator of ``/sim/``: all values pass, and the greatest is best."""

    def validate(self, key: bytes, value: bytes) -> None:
        """Let it pass."""

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """Return the index of the greatest."""
        return max(range(len(values)), key=lambda number: values[number])


VALIDATORS = Validators({"sim": AnyValue()})


class DhtNode:
    """A server. ``number`` is its place in the network, ``contact`` how others know it."""

    genuine = True
    """Whether its id is one that a lookup should find: an attacker's, made for the purpose, is not."""

    def __init__(self, network: DhtNetwork, number: int, contact: Contact) -> None:
        self.network = network
        self.number = number
        self.contact = contact
        self.running = True
        config = network.config
        store = MemoryStore()
        self.table = RoutingTable(contact.peer, config)
        self.values = Values(store, VALIDATORS, config, self.table.position)
        self.providers = Providers(store, config, self.table.position)
        self.responder = Responder(self.table, self.values, self.providers, config, self._known)

    def _known(self, peer: PeerId) -> Contact | None:
        return self.contact if peer == self.contact.peer else None

    # -- as a server

    def respond(self, request: Message, sender: Contact) -> Message | None:
        """Answer a request; None: the stream is reset, or there is no answer. Who asks gets into the table. HOT PATH.

        A real node would ask it something first; here all who ask do answer.
        """
        self.table.add(sender, self.network.clock.now)
        try:
            return self.responder.respond(request, sender.peer, self.network.clock.now)
        except ProtocolViolation:
            return None

    # -- as a client

    def lookup(self, key: bytes) -> Query:
        """Begin a lookup of the peers nearest to ``key``; return it."""
        return self._start(
            Query(
                own=self.contact.peer,
                key=key,
                seeds=self._seeds(key),
                config=self.network.config,
                now=self.network.clock.now,
            )
        )

    def get(self, key: bytes, quorum: int = 0) -> ValueQuery:
        """Begin a lookup of a value; return it."""
        return self._start(
            ValueQuery(
                own=self.contact.peer,
                key=key,
                seeds=self._seeds(key),
                config=self.network.config,
                now=self.network.clock.now,
                validators=VALIDATORS,
                quorum=quorum,
            )
        )

    def find_providers(self, key: bytes, count: int = 0) -> ProviderQuery:
        """Begin a lookup of providers; return it."""
        return self._start(
            ProviderQuery(
                own=self.contact.peer,
                key=key,
                seeds=self._seeds(key),
                config=self.network.config,
                now=self.network.clock.now,
                count=count,
            )
        )

    def join(self, others: Iterable[Contact]) -> Query:
        """Come into the network through some of its nodes: look the own id up, which also tells others of us."""
        for each in others:
            self.table.add(each, self.network.clock.now)
        return self.lookup(self.contact.peer.to_bytes())

    def put(self, closest: Iterable[Contact], key: bytes, value: bytes) -> None:
        """Send a value to peers, which a lookup has found."""
        record = Record(key=key, value=value)
        self._tell(closest, Message(type=MessageType.PUT_VALUE, key=key, record=record))

    def provide(self, closest: Iterable[Contact], key: bytes) -> None:
        """Announce to peers, which a lookup has found, that we provide ``key``."""
        self._tell(closest, Message(type=MessageType.ADD_PROVIDER, key=key, providers=(self.contact,)))

    def _tell(self, peers: Iterable[Contact], message: Message) -> None:
        for each in peers:
            self.network.request(self, each, message, lambda _: None)

    def _seeds(self, key: bytes) -> list[Contact]:
        return self.table.closest(position(key), self.network.config.k, failing=True)

    def _start(self, query: AnyQuery) -> AnyQuery:
        self._serve(query)
        self._arm(query)
        return query

    def _serve(self, query: Query) -> None:
        """Do what a lookup wants done. HOT PATH."""
        for event in query.events():
            if isinstance(event, Ask):
                self.network.request(self, event.contact, query.request, self._taker(query, event.contact))
            elif isinstance(event, GiveUp):
                self.table.failed(event.contact.peer, self.network.clock.now)
            elif isinstance(event, PeerFound):
                self.network.peer_found(query)
            elif isinstance(event, Finished):
                self.network.finished(query)

    def _taker(self, query: Query, contact: Contact) -> Callable[[Message | None], None]:
        def take(answer: Message | None) -> None:
            now = self.network.clock.now
            if not query.waits_for(contact.peer):
                return  # a real node has reset the stream
            if answer is None:
                self.table.failed(contact.peer, now)
                query.receive_failure(contact.peer, now)
            else:
                self.table.add(contact, now)
                query.receive_answer(contact.peer, answer, now)
            self._serve(query)

        return take

    def _arm(self, query: Query) -> None:
        """Call the lookup when its time has come."""
        when = query.next_timeout()
        if when is not None:
            self.network.clock.call_at(when, self._time_out, query)

    def _time_out(self, query: Query) -> None:
        query.handle_timeout(self.network.clock.now)
        self._serve(query)
        self._arm(query)
