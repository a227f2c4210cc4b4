"""The DHT: messages of strangers, what a server makes of them, and lookups among peers that answer anything."""

from __future__ import annotations

from fuzz.expect import caught
from fuzz.source import Source
from p2pstack.errors import DecodeError, ProtocolViolation
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.messages import Message, MessageType, decode, encode, fit
from p2pstack.kad.provider_query import ProviderQuery
from p2pstack.kad.providers import Providers
from p2pstack.kad.query import Query
from p2pstack.kad.records import Record
from p2pstack.kad.responder import Responder
from p2pstack.kad.signed_records import NAMESPACE, SignedRecordValidator
from p2pstack.kad.store import MemoryStore
from p2pstack.kad.table import RoutingTable
from p2pstack.kad.validators import Validators
from p2pstack.kad.value_query import ValueQuery
from p2pstack.kad.values import Values
from tests.kad.lookups import Play
from tests.kad.making import contact, contacts, nearest, peer

CONFIG = KadConfig(max_values=4, max_provided_keys=4, max_providers=2)
VALIDATORS = Validators({NAMESPACE: SignedRecordValidator()})
_KEYS = (b"/pk/x", b"/p2pstack/x", b"key", peer(7).to_bytes())
_WAITS = (0.0, 1.0, 10.0, 60.0)


def message(data: bytes) -> None:
    """Whatever comes is a bounded message or an error; what is answered fits, and nothing is stored that may not be."""
    source = Source(data)
    sender = peer(source.byte() % 40)
    body = source.rest()
    error = caught(DecodeError, decode, body, CONFIG)
    if error is not None:
        assert error.requirement
        return
    request = decode(body, CONFIG)
    assert len(request.closer) <= CONFIG.max_closer
    assert len(request.providers) <= CONFIG.max_told_providers
    assert all(len(each.addresses) <= CONFIG.max_addresses for each in (*request.closer, *request.providers))
    assert decode(encode(request), CONFIG) == request
    assert len(encode(fit(request, CONFIG.max_sent))) <= max(CONFIG.max_sent, len(data))
    _serve(request, sender)


def _serve(request: Message, sender: PeerId) -> None:
    table = RoutingTable(peer(0), CONFIG)
    for each in contacts(range(1, 30)):
        table.add(each, 0.0)
    store = MemoryStore()
    values = Values(store, VALIDATORS, CONFIG, table.position)
    providers = Providers(store, CONFIG, table.position)
    responder = Responder(table, values, providers, CONFIG, {peer(0): contact(0)}.get)
    error = caught(ProtocolViolation, responder.respond, request, sender, 1.0)
    if error is not None:
        assert error.requirement
        assert not list(store.values())
        assert not list(store.provided_keys())
        return
    answer = responder.respond(request, sender, 2.0)
    assert (answer is None) == (request.type is MessageType.ADD_PROVIDER)
    if answer is not None:
        assert len(encode(answer)) <= CONFIG.max_sent
        assert decode(encode(answer), CONFIG) == answer
    for stored in store.values():
        VALIDATORS.validate(stored.record.key, stored.record.value)
    for key in store.provided_keys():
        assert [each.contact.peer for each in store.providers(key)] == [sender]


def query(data: bytes) -> None:
    """Whatever peers answer, nobody is asked twice, all limits are kept, and the lookup ends."""
    source = Source(data)
    mode, shape = source.byte(), source.byte()
    config = KadConfig(
        k=1 + shape % 8,
        beta=1,
        alpha=4,
        paths=1 + mode % 4,
        max_requests=1 + source.byte() % 64,
        max_candidates=1 + source.byte() % 32,
        max_closer=8,
        max_from_group=1 + shape % 3,
    )
    play = Play(_made(mode, config), config, lambda count: source.byte() % count)
    while play.query.reason is None:
        step = source.byte()
        if step >= 0xF0:
            play.wait(_WAITS[step % len(_WAITS)])
        else:
            play.step(lambda asked: _answer(play.query, source))
    assert len(play.query.closest()) <= config.k
    assert play.query.closest() == nearest(play.query.key, play.query.closest())
    assert peer(0) not in play.asked
    if isinstance(play.query, ProviderQuery):
        assert len(play.query.providers) <= 3


def _made(mode: int, config: KadConfig) -> Query:
    key = _KEYS[(mode >> 2) % len(_KEYS)]
    seeds = contacts(range(1, 6))
    if mode & 0x40:
        return ValueQuery(own=peer(0), key=key, seeds=seeds, config=config, now=0.0, validators=VALIDATORS, quorum=2)
    if mode & 0x80:
        return ProviderQuery(own=peer(0), key=key, seeds=seeds, config=config, now=0.0, count=3)
    return Query(own=peer(0), key=key, seeds=seeds, config=config, now=0.0)


def _answer(query: Query, source: Source) -> Message | None:
    """What one peer answers: nothing, another type, or peers of which some have no address and some an old one."""
    what = source.byte()
    if what == 1:
        return None
    if what == 2:
        return Message(type=MessageType.PING)
    named = [source.byte() for _ in range(what % 12)]
    closer = tuple(Contact(peer(number)) if number % 7 == 0 else contact(number) for number in named)
    record = Record(key=query.key if what & 0x10 else b"other", value=bytes(named)) if what & 0x20 else None
    return Message(type=query.kind, closer=closer, record=record, providers=closer[::-1])
