"""What a server answers (KAD-04 to KAD-06, KAD-08, KAD-10; specs/kad.md).

::

    answer = responder.respond(request, sender, now)     # None: none is sent
    data = encode(answer)

A request that breaks a rule raises :class:`ProtocolViolation`: its stream is reset, the connection lives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from p2pstack.errors import DecodeError, ProtocolViolation
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.filters import admit
from p2pstack.kad.keyspace import position
from p2pstack.kad.messages import Message, MessageType, fit
from p2pstack.kad.providers import Providers
from p2pstack.kad.table import RoutingTable
from p2pstack.kad.values import PutOutcome, Values

__all__ = ["KnownPeer", "Responder"]

KnownPeer = Callable[[PeerId], Contact | None]
"""What else is known of a peer, in the table or not, oneself included; None: nothing."""


class Responder:
    """Answers from the table, the values and the providers of a node."""

    def __init__(
        self, table: RoutingTable, values: Values, providers: Providers, config: KadConfig, known: KnownPeer
    ) -> None:
        self._table = table
        self._values = values
        self._providers = providers
        self._config = config
        self._known = known
        self._by_type: dict[MessageType, Callable[[Message, PeerId, float], Message | None]] = {
            MessageType.PUT_VALUE: self._put_value,
            MessageType.GET_VALUE: self._get_value,
            MessageType.ADD_PROVIDER: self._add_provider,
            MessageType.GET_PROVIDERS: self._get_providers,
            MessageType.FIND_NODE: self._find_node,
            MessageType.PING: self._ping,
        }

    def respond(self, request: Message, sender: PeerId, now: float) -> Message | None:
        """Do what ``sender`` asks, and return the answer, which fits into ``max_sent``; None: there is none.

        ``now`` is in Unix seconds.

        Raises:
            ProtocolViolation: the request is to be refused.
        """
        if len(request.key) > self._config.max_key:
            raise _violation(f"a key is longer than {self._config.max_key} bytes", "KAD-18")
        answer = self._by_type[request.type](request, sender, now)
        return None if answer is None else fit(answer, self._config.max_sent)

    def _ping(self, request: Message, sender: PeerId, now: float) -> Message | None:
        return Message(type=MessageType.PING)

    # -- peers

    def _find_node(self, request: Message, sender: PeerId, now: float) -> Message | None:
        """Name the peer that is asked for, if it is known, and the nearest of the table (KAD-04, KAD-10)."""
        closer = self._closer(request, sender)
        target = self._target(request.key)
        if target is not None:
            closer = (target, *(each for each in closer if each.peer != target.peer))
        return Message(type=request.type, closer=closer)

    def _target(self, key: bytes) -> Contact | None:
        if len(key) < 2 or len(key) != key[1] + 2:
            return None  # most keys are no ids, and an exception costs as much as the rest of an answer
        try:
            peer = PeerId(key)
        except DecodeError:
            return None
        known = self._known(peer)
        contact = known if known is not None and known.addresses else self._table.get(peer)
        admitted = None if contact is None else admit(self._config.network, contact)
        return admitted if admitted is not None and admitted.addresses else None

    def _closer(self, request: Message, sender: PeerId) -> tuple[Contact, ...]:
        """Return the nearest of the table that have addresses, without the one who asks.

        Raises:
            ProtocolViolation: the key is empty.
        """
        if not request.key:
            raise _violation(f"{request.type.name} has no key", "KAD-08")
        nearest = self._table.closest(position(request.key), self._config.k, without=(sender,))
        return tuple([each for each in nearest if each.addresses])

    # -- values

    def _put_value(self, request: Message, sender: PeerId, now: float) -> Message | None:
        record = request.record
        if record is None or not request.key or record.key != request.key:
            raise _violation("PUT_VALUE has no record of its key", "KAD-05")
        try:
            outcome = self._values.put(record, now)
        except DecodeError as error:
            raise _violation(f"PUT_VALUE is refused: {error}", error.requirement or "KAD-05") from error
        if outcome in {PutOutcome.OLDER, PutOutcome.FULL}:
            raise _violation(f"PUT_VALUE is refused: {outcome.value}", "KAD-05")
        return replace(request, closer=(), providers=())

    def _get_value(self, request: Message, sender: PeerId, now: float) -> Message | None:
        closer = self._closer(request, sender)
        record = self._values.record(request.key, now)
        return Message(type=request.type, key=request.key, record=record, closer=closer)

    # -- providers

    def _add_provider(self, request: Message, sender: PeerId, now: float) -> Message | None:
        """Note the sender as a provider; nobody else is taken, and there is no answer (KAD-06, KAD-09)."""
        self._check_provider_key(request)
        own = (each for each in request.providers if each.peer == sender and each.addresses)
        admitted = next((each for each in map(self._admit, own) if each is not None), None)
        if admitted is None:
            raise _violation("ADD_PROVIDER has no address of its sender", "KAD-06")
        self._providers.add(request.key, admitted, now)
        return None

    def _admit(self, contact: Contact) -> Contact | None:
        return admit(self._config.network, contact)

    def _get_providers(self, request: Message, sender: PeerId, now: float) -> Message | None:
        self._check_provider_key(request)
        closer = self._closer(request, sender)
        providers = tuple(self._providers.get(request.key, now))
        return Message(type=request.type, key=request.key, closer=closer, providers=providers)

    def _check_provider_key(self, request: Message) -> None:
        if not 0 < len(request.key) <= self._config.max_provider_key:
            raise _violation(f"{request.type.name} has a key of {len(request.key)} bytes", "KAD-06")


def _violation(message: str, requirement: str) -> ProtocolViolation:
    return ProtocolViolation("kad", message, requirement=requirement)
