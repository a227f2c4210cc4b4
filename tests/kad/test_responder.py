from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack.errors import DecodeError, ProtocolViolation
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.filters import Network
from p2pstack.kad.keyspace import position
from p2pstack.kad.messages import Message, MessageType, decode, encode
from p2pstack.kad.providers import Providers
from p2pstack.kad.records import Record
from p2pstack.kad.responder import Responder
from p2pstack.kad.store import MemoryStore
from p2pstack.kad.table import RoutingTable
from p2pstack.kad.validators import Validators
from p2pstack.kad.values import Values
from p2pstack.wire.framing import FrameReader, encode_frame
from tests.kad.making import CONFIG, contact, contacts, nearest, peer, unmarked
from tests.vectors import load

NOW = 1_795_564_496.0
OTHER_KEY = PrivateKey.from_seed(b"\x09" * 32).public_key.to_protobuf()


class Greatest:
    """The validator of the recordings: anything, and the greatest bytes win."""

    def validate(self, key: bytes, value: bytes) -> None:
        pass

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        return max(range(len(values)), key=lambda number: values[number])


@dataclass
class Server:
    own: Contact
    config: KadConfig
    known: dict[PeerId, Contact]

    def __post_init__(self) -> None:
        self.store = MemoryStore()
        self.table = RoutingTable(self.own.peer, self.config)
        here = self.table.position
        self.values = Values(self.store, Validators({"test": Greatest()}), self.config, here)
        self.providers = Providers(self.store, self.config, here)
        self.responder = Responder(self.table, self.values, self.providers, self.config, self.known.get)

    def ask(self, kind: MessageType, sender: int = 999, *, now: float = NOW, **fields: Any) -> Message | None:
        return self.responder.respond(Message(type=kind, **fields), peer(sender), now)

    def closer(self, key: bytes, sender: int = 999) -> tuple[Contact, ...]:
        answer = self.ask(MessageType.FIND_NODE, sender, key=key)
        assert answer is not None
        return answer.closer


def server(known: Sequence[Contact] = (), config: KadConfig = CONFIG) -> Server:
    one = Server(contact(0), config, {peer(0): contact(0)})
    for each in known:
        one.table.add(each, 0.0)
    return one


def violation(server: Server, kind: MessageType, **fields: Any) -> str:
    with pytest.raises(ProtocolViolation) as caught:
        server.ask(kind, **fields)
    assert caught.value.protocol == "kad"
    return caught.value.requirement


# -- what go answers, byte for byte

SERVER, ASKER, OTHER = (
    Contact(PrivateKey.from_seed(bytes((seed,)) * 32).peer_id, (parse(f"/ip4/127.0.0.1/tcp/{42_000 + seed}"),))
    for seed in (2, 3, 4)
)


@pytest.mark.req("KAD-01", "KAD-04", "KAD-05", "KAD-06", "KAD-08", "KAD-09", "KAD-10")
def test_we_answer_what_go_answers_byte_for_byte() -> None:
    go = Server(SERVER, CONFIG, {each.peer: each for each in (SERVER, ASKER)})
    go.table.add(OTHER, 0.0)
    cases = [case for case in load("kad")["answers"] if case["impl"] == "go"]
    assert len(cases) == 42
    for case in cases:
        frames = FrameReader(CONFIG.max_received).receive_data(bytes.fromhex(case["response"]))
        wanted = [unmarked(each) for each in frames]
        answers, refused = serve(go, bytes.fromhex(case["request"]))
        assert [without_time(each) for each in answers] == [without_time(each) for each in wanted], case["note"]
        assert refused == (case["end"] == "reset"), case["note"]


def serve(server: Server, data: bytes) -> tuple[list[bytes], bool]:
    """Read requests off a stream that ends behind them; return the answers, and whether it is reset."""
    reader = FrameReader(CONFIG.max_received)
    answers = []
    try:
        for body in reader.receive_data(data):
            answer = server.responder.respond(decode(body, CONFIG), ASKER.peer, NOW)
            if answer is not None:
                answers.append(encode(answer))
        reader.receive_eof()
    except (DecodeError, ProtocolViolation):
        return answers, True
    return answers, False


def without_time(body: bytes) -> tuple[Message, bytes]:
    """The message without the time of receipt, and the bytes behind that, which begin with those of the peers."""
    message = decode(body, CONFIG)
    if message.record is None or not message.record.time_received:
        return message, body
    stamp = message.record.time_received
    assert stamp.startswith(b"2026-11-24T23:54:")
    return replace(message, record=replace(message.record, time_received=b"")), body[body.index(stamp) + len(stamp) :]


# -- peers


@pytest.mark.req("KAD-04")
def test_the_nearest_are_named_without_the_asker() -> None:
    one = server(contacts(range(1, 60)))
    key = b"/test/key"
    sender = nearest(key, contacts(range(1, 60)))[3]
    closer = one.responder.respond(Message(type=MessageType.FIND_NODE, key=key), sender.peer, NOW)
    assert closer is not None
    in_table = [each for each in one.table if each != sender]
    assert closer == Message(type=MessageType.FIND_NODE, closer=tuple(nearest(key, in_table)))
    assert len(closer.closer) == 20


@pytest.mark.req("KAD-04", "KAD-10")
def test_the_peer_that_is_asked_for_stands_in_front() -> None:
    one = server(contacts(range(1, 30)))
    one.known[peer(500)] = contact(500)  # connected, but a client
    one.known[peer(501)] = Contact(peer(501))
    one.known[peer(5)] = Contact(peer(5))
    assert one.closer(peer(500).to_bytes())[0] == contact(500)
    assert one.closer(peer(500).to_bytes(), 500)[0] == contact(500)
    assert one.closer(peer(0).to_bytes())[0] == contact(0)
    assert len(one.closer(peer(0).to_bytes())) == 21
    assert one.closer(peer(5).to_bytes())[0] == contact(5)
    assert [each.peer for each in one.closer(peer(5).to_bytes())].count(peer(5)) == 1
    assert peer(501) not in [each.peer for each in one.closer(peer(501).to_bytes())]
    assert peer(502) not in [each.peer for each in one.closer(peer(502).to_bytes())]
    assert len(one.closer(b"\x11\x01a")) == 20, "a multihash, but none of a peer"


@pytest.mark.req("KAD-04")
def test_peers_without_addresses_and_failing_ones_are_left_out() -> None:
    one = server([contact(1), Contact(peer(2)), contact(3)])
    one.table.failed(peer(3), 1.0)
    assert one.closer(b"key") == (contact(1),)


@pytest.mark.req("KAD-13")
def test_a_network_names_its_own_addresses_alone() -> None:
    config = KadConfig(network=Network.PUBLIC)
    one = server([contact(1)], config)
    one.known[peer(7)] = Contact(peer(7), (parse("/ip4/10.0.0.1/tcp/1"),))
    assert one.closer(peer(7).to_bytes()) == (contact(1),)
    one.known[peer(7)] = Contact(peer(7), (parse("/ip4/10.0.0.1/tcp/1"), *contact(7).addresses))
    assert one.closer(peer(7).to_bytes()) == (contact(7), contact(1))


@pytest.mark.req("KAD-08")
@pytest.mark.parametrize("kind", [MessageType.FIND_NODE, MessageType.GET_VALUE])
def test_an_empty_key_is_refused(kind: MessageType) -> None:
    assert violation(server(), kind) == "KAD-08"


@pytest.mark.req("KAD-18")
@pytest.mark.parametrize("kind", list(MessageType))
def test_a_key_that_is_too_long_is_refused(kind: MessageType) -> None:
    assert violation(server(), kind, key=bytes(CONFIG.max_key + 1)) == "KAD-18"


@pytest.mark.req("KAD-08")
def test_a_ping_is_echoed() -> None:
    assert server().ask(MessageType.PING, closer=(contact(1),)) == Message(type=MessageType.PING)


# -- values


@pytest.mark.req("KAD-05")
def test_a_value_is_stored_echoed_and_given_with_closer_peers() -> None:
    one = server(contacts(range(1, 4)))
    record = Record(key=b"/test/a", value=b"v", time_received=b"never")
    echo = one.ask(MessageType.PUT_VALUE, key=b"/test/a", record=record, closer=(contact(9),), providers=(contact(9),))
    assert echo == Message(type=MessageType.PUT_VALUE, key=b"/test/a", record=record)
    answer = one.ask(MessageType.GET_VALUE, key=b"/test/a")
    assert answer is not None
    assert answer.record is not None
    assert (answer.record.value, answer.record.time_received) == (b"v", b"2026-11-24T23:54:56Z")
    assert answer.closer == tuple(nearest(b"/test/a", contacts(range(1, 4))))
    nothing = one.ask(MessageType.GET_VALUE, key=b"/test/b")
    assert nothing is not None
    assert (nothing.record, len(nothing.closer)) == (None, 3)


@pytest.mark.req("KAD-05", "KAD-14")
@pytest.mark.parametrize(
    ("key", "record", "requirement"),
    [
        (b"/test/a", None, "KAD-05"),
        (b"/test/a", Record(key=b"/test/b", value=b"v"), "KAD-05"),
        (b"", Record(key=b"", value=b"v"), "KAD-05"),
        (b"/none/a", Record(key=b"/none/a", value=b"v"), "KAD-14"),
        (b"abc", Record(key=b"abc", value=b"v"), "KAD-14"),
        (b"/pk/x", Record(key=b"/pk/x", value=OTHER_KEY), "PEERID-10"),
        (b"/test/a", Record(key=b"/test/a", value=bytes(12 * 1024 + 1)), "KAD-14"),
        (b"/test/a", Record(key=b"/test/a", value=b"a worse one"), "KAD-05"),
    ],
)
def test_what_is_not_stored_is_refused(key: bytes, record: Record | None, requirement: str) -> None:
    one = server()
    one.values.put(Record(key=b"/test/a", value=b"the better one"), NOW)
    assert violation(one, MessageType.PUT_VALUE, key=key, record=record) == requirement
    assert [each.record.value for each in one.store.values()] == [b"the better one"]


@pytest.mark.req("KAD-06")
def test_a_flood_of_values_stays_within_the_cap() -> None:
    one = server(config=KadConfig(max_values=10))
    refused = 0
    for number in range(200):
        key = b"/test/%d" % number
        try:
            one.ask(MessageType.PUT_VALUE, key=key, record=Record(key=key, value=b"v"))
        except ProtocolViolation:
            refused += 1
    assert len(list(one.store.values())) == 10
    assert refused > 100


# -- providers

CONTENT = b"\x12\x20" + bytes(32)


@pytest.mark.req("KAD-06", "KAD-09")
def test_who_announces_itself_is_listed_and_gets_no_answer() -> None:
    one = server([contact(1)])
    assert one.ask(MessageType.ADD_PROVIDER, 7, key=CONTENT, providers=(Contact(peer(7)), contact(7))) is None
    answer = one.ask(MessageType.GET_PROVIDERS, 7, key=CONTENT)
    assert answer == Message(type=MessageType.GET_PROVIDERS, key=CONTENT, closer=(contact(1),), providers=(contact(7),))


@pytest.mark.req("KAD-06")
@pytest.mark.parametrize(
    "providers", [(), (contact(8),), (Contact(peer(7)),), tuple(contacts(range(8, 300)))], ids=["0", "8", "bare", "300"]
)
def test_nobody_announces_another(providers: tuple[Contact, ...]) -> None:
    one = server()
    with pytest.raises(ProtocolViolation) as caught:
        one.ask(MessageType.ADD_PROVIDER, 7, key=CONTENT, providers=providers)
    assert caught.value.requirement == "KAD-06"
    assert list(one.store.provided_keys()) == []


@pytest.mark.req("KAD-06")
def test_of_several_providers_the_sender_alone_is_taken() -> None:
    one = server()
    one.ask(MessageType.ADD_PROVIDER, 7, key=CONTENT, providers=(contact(8), contact(7), contact(9)))
    assert one.providers.get(CONTENT, NOW) == [contact(7)]


@pytest.mark.req("KAD-13")
def test_a_provider_needs_an_address_of_the_network() -> None:
    one = server(config=KadConfig(network=Network.PUBLIC))
    local = parse("/ip4/10.0.0.1/tcp/1")
    with pytest.raises(ProtocolViolation):
        one.ask(MessageType.ADD_PROVIDER, 7, key=CONTENT, providers=(Contact(peer(7), (local,)),))
    one.ask(MessageType.ADD_PROVIDER, 7, key=CONTENT, providers=(Contact(peer(7), (local, *contact(7).addresses)),))
    assert one.providers.get(CONTENT, NOW) == [contact(7)]


@pytest.mark.req("KAD-06")
@pytest.mark.parametrize("kind", [MessageType.ADD_PROVIDER, MessageType.GET_PROVIDERS])
@pytest.mark.parametrize("size", [0, 81])
def test_a_provider_key_has_1_to_80_bytes(kind: MessageType, size: int) -> None:
    one = server()
    assert violation(one, kind, key=bytes(size), providers=(contact(999),)) == "KAD-06"
    one.ask(kind, key=bytes(80), providers=(contact(999),))


# -- whatever comes

KEYS = st.sampled_from([b"", b"k", b"/test/a", b"/none/a", b"/pk/x", CONTENT, peer(0).to_bytes(), bytes(81)])
LONG = tuple(parse(f"/dns4/{'x' * 60}.{number}.example.com/tcp/4001") for number in range(16))
CONTACTS = st.lists(
    st.builds(lambda n, long: Contact(peer(n), LONG) if long else contact(n), st.integers(0, 50), st.booleans())
)


@pytest.mark.req("KAD-01", "KAD-18")
@given(
    st.lists(
        st.builds(
            Message,
            type=st.sampled_from(MessageType),
            key=KEYS,
            record=st.none() | st.builds(Record, key=KEYS, value=st.binary(max_size=12_000)),
            closer=CONTACTS.map(tuple),
            providers=CONTACTS.map(tuple),
        ),
        max_size=20,
    )
)
@settings(max_examples=50)
def test_answers_never_exceed_what_may_be_sent(requests: list[Message]) -> None:
    one = server([Contact(peer(number), LONG) for number in range(1, 60)])
    for number, request in enumerate(requests):
        sender = peer(number % 50)
        try:
            answer = one.responder.respond(request, sender, NOW)
        except ProtocolViolation:
            continue
        if request.type is MessageType.ADD_PROVIDER:
            assert answer is None
            continue
        assert answer is not None
        assert answer.type is request.type
        assert len(encode(answer)) <= CONFIG.max_sent
        assert len(encode_frame(encode(answer))) <= CONFIG.max_sent + 3
        assert len(answer.closer) <= CONFIG.k + 1
        assert decode(encode(answer), CONFIG) == answer
        if request.type is not MessageType.FIND_NODE:
            assert sender not in [each.peer for each in answer.closer]
    assert len(one.values) <= CONFIG.max_values
    assert position(peer(0).to_bytes()) == one.table.position
