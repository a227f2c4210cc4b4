"""Shinkai's relay: who is registered, and what becomes of requests and answers, beside a model as plain as can be."""

from __future__ import annotations

from fuzz.source import Source
from fuzz.targets.shinkai import any_text
from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.errors import InvalidName
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import EncryptedBody, ExternalMetadata, ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.relayer.errors import Refused
from p2pstack.shinkai.relayer.forwarding import AnswerWay, RequestWay, plan_answer, plan_request
from p2pstack.shinkai.relayer.registrations import Registration, Registrations, claim_of

RELAY = ShinkaiName.parse("@@relay.shinkai")
KEYS = [NodeKeys.unsafe_deterministic(number) for number in range(5)]
PEERS = [keys.signature.peer_id for keys in KEYS]
NAMES = ["@@a.shinkai", "@@b.shinkai", "@@localhost.sep-shinkai", "@@relay.shinkai", "@@A.shinkai/main"]
MOST = 2
"""Registrations of either kind."""


def relay(data: bytes) -> None:
    """After any registrations, each message goes to whom its names stand for, or is refused for a reason."""
    source = Source(data)
    table = Registrations(max_named=MOST, max_local=MOST)
    model: dict[PeerId, str] = {}
    for kind in source.steps(64):
        peer = PEERS[source.byte() % len(PEERS)]
        if kind % 4 == 0:
            _register(table, model, peer, source.byte())
        elif kind % 4 == 1:
            assert (table.unregister(peer) is None) is (model.pop(peer, None) is None)
        elif kind % 4 == 2:
            _request(table, model, peer, _message(source))
        else:
            _answer(table, peer, PEERS[source.byte() % len(PEERS)], _message(source))
        assert {each.peer: each.name.node_name for each in table.all} == model
        assert max(table.named, table.local) <= MOST
    claim = claim_of(any_text(source.rest()))
    assert claim is None or claim == claim.node


def _register(table: Registrations, model: dict[PeerId, str], peer: PeerId, which: int) -> None:
    name = ShinkaiName.parse(NAMES[which % 3])
    keys = KEYS[PEERS.index(peer)]
    record = None
    if which % 3 < 2:
        record = IdentityRecord(
            name=name, encryption_key=keys.encryption.public, signature_key=keys.signature.public_key
        )
    try:
        table.register(peer, name, keys.signature.public_key, record, 0.0)
    except LimitExceeded:
        return
    if record is not None:
        for other in [each for each, held in model.items() if held == name.node_name]:
            del model[other]
    model[peer] = name.node_name


def _message(source: Source) -> ShinkaiMessage:
    fields = [_name(source) for _ in range(3)]
    external = ExternalMetadata(sender=fields[0], recipient=fields[1], scheduled_time="", intra_sender=fields[2])
    return ShinkaiMessage(body=EncryptedBody(""), external_metadata=external)


def _name(source: Source) -> str:
    """A name, a peer id, nothing, or any text."""
    which = source.byte()
    if which < 0x40:
        return NAMES[which % len(NAMES)]
    if which < 0x80:
        return str(PEERS[which % len(PEERS)])
    return "" if which < 0xA0 else any_text(source.piece())


def _node(text: str) -> str | None:
    try:
        return ShinkaiName.parse(text).node_name
    except InvalidName:
        return None


def _is_local(name: str | None) -> bool:
    return name is not None and name.startswith("@@localhost.")


def _request(table: Registrations, model: dict[PeerId, str], peer: PeerId, message: ShinkaiMessage) -> None:
    external = message.external_metadata
    sender, recipient = _node(external.sender), _node(external.recipient)
    try:
        plan = plan_request(message, table.of(peer), table, RELAY)
    except (InvalidName, Refused):
        return
    mine = model[peer]
    assert _is_local(sender) if _is_local(mine) else sender == mine
    if plan.target is None:
        assert plan.way is RequestWay.OURS
        assert (recipient, external.intra_sender) == (RELAY.node_name, "")
        return
    assert plan.target.peer != peer
    if plan.way is RequestWay.TO_LOCAL:
        assert recipient == RELAY.node_name
        assert str(plan.target.peer) == external.intra_sender
        assert _is_local(model[plan.target.peer])
        assert not _is_local(mine)
    else:
        assert model[plan.target.peer] == recipient != RELAY.node_name
        assert (plan.way is RequestWay.ON_BEHALF) is _is_local(mine)


def _answer(table: Registrations, peer: PeerId, other: PeerId, message: ShinkaiMessage) -> None:
    asked, asker = table.of(peer), table.of(other)
    if asked is None or asker is None:
        return
    external = message.external_metadata
    try:
        way = plan_answer(message, asked, asker, RELAY)
    except (InvalidName, Refused):
        return
    assert _is_local(_node(external.sender)) if asked.local else _node(external.sender) == asked.name.node_name
    assert (way in {AnswerWay.VOUCHED, AnswerWay.TO_LOCAL}) is (_node(external.recipient) == RELAY.node_name)
    assert way is not AnswerWay.TO_LOCAL or _only_for(asker, external)
    assert (way is AnswerWay.ON_BEHALF) is (asked.local and way is not AnswerWay.VOUCHED)


def _only_for(asker: Registration, external: ExternalMetadata) -> bool:
    return asker.local and external.intra_sender == str(asker.peer)
