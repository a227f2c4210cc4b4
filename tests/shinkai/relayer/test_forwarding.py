"""What becomes of requests and of their answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from p2pstack.shinkai.errors import InvalidName
from p2pstack.shinkai.message import ExternalMetadata, ShinkaiMessage
from p2pstack.shinkai.relayer.errors import Reason, Refused
from p2pstack.shinkai.relayer.forwarding import AnswerWay, Plan, RequestWay, plan_answer, plan_request
from p2pstack.shinkai.relayer.registrations import Registration, Registrations
from tests.shinkai.relayer.people import ALICE, BOB, CAROL, LOCAL, RELAY, letter, name_of, registration

ALICES, BOBS = registration(ALICE), registration(BOB)
FIRST, SECOND = registration(LOCAL, 100), registration(LOCAL, 101)
WE = name_of(RELAY)


def table() -> Registrations:
    made = Registrations(max_named=9, max_local=9)
    for each in (ALICES, BOBS, FIRST, SECOND):
        made.register(each.peer, each.name, each.key, each.record, 0.0)
    return made


def message(sender: str, recipient: str, intra_sender: str = "") -> ShinkaiMessage:
    external: ExternalMetadata = letter(ALICE, BOB).external_metadata
    changed = replace(external, sender=sender, recipient=recipient, intra_sender=intra_sender)
    return replace(letter(ALICE, BOB), external_metadata=changed)


def refusal(source: Registration | None, *fields: str) -> str:
    with pytest.raises(Refused) as caught:
        plan_request(message(*fields), source, table(), WE)
    assert caught.value.requirement.startswith("SHK-10")
    return caught.value.reason


def answer_refusal(asked: Registration, asker: Registration, *fields: str) -> str:
    with pytest.raises(Refused) as caught:
        plan_answer(message(*fields), asked, asker, WE)
    return caught.value.reason


@pytest.mark.req("SHK-104")
@pytest.mark.parametrize("recipient", [BOB, "@@BOB.shinkai", f"{BOB}/main", "bob"])
def test_a_message_goes_to_whom_the_recipients_node_is_registered_as(recipient: str) -> None:
    plan = plan_request(message(ALICE, recipient), ALICES, table(), WE)
    assert plan == Plan(RequestWay.UNCHANGED, BOBS)


@pytest.mark.req("SHK-104")
def test_what_stands_in_intra_sender_does_not_matter_between_named_nodes() -> None:
    assert plan_request(message(ALICE, BOB, "main"), ALICES, table(), WE).way is RequestWay.UNCHANGED


@pytest.mark.req("SHK-105")
def test_a_node_without_a_name_writes_in_the_relays() -> None:
    assert plan_request(message(LOCAL, BOB), FIRST, table(), WE) == Plan(RequestWay.ON_BEHALF, BOBS)


@pytest.mark.req("SHK-106")
def test_a_node_without_a_name_is_written_to_by_its_peer_id() -> None:
    plan = plan_request(message(BOB, RELAY, str(FIRST.peer)), BOBS, table(), WE)
    assert plan == Plan(RequestWay.TO_LOCAL, FIRST)


@pytest.mark.req("SHK-107")
@pytest.mark.parametrize(("source", "sender"), [(ALICES, ALICE), (FIRST, LOCAL)])
def test_what_is_for_the_relay_stays_there(source: Registration, sender: str) -> None:
    assert plan_request(message(sender, f"{RELAY}/main"), source, table(), WE) == Plan(RequestWay.OURS)


@pytest.mark.req("SHK-107")
def test_a_name_that_holds_the_relays_is_not_the_relays() -> None:
    assert refusal(ALICES, ALICE, f"@@x{RELAY.removeprefix('@@')}") == Reason.NOT_REGISTERED


@pytest.mark.req("SHK-103")
def test_nobody_writes_who_is_not_registered_or_is_somebody_else() -> None:
    assert refusal(None, ALICE, BOB) == Reason.UNREGISTERED
    assert refusal(ALICES, BOB, BOB) == Reason.NOT_THE_SENDER
    assert refusal(ALICES, LOCAL, BOB) == Reason.NOT_THE_SENDER
    assert refusal(ALICES, RELAY, BOB) == Reason.NOT_THE_SENDER
    assert refusal(FIRST, ALICE, BOB) == Reason.NOT_THE_SENDER


@pytest.mark.req("SHK-104")
def test_whom_nobody_is_registered_as_is_not_written_to() -> None:
    assert refusal(ALICES, ALICE, CAROL) == Reason.NOT_REGISTERED
    assert refusal(ALICES, ALICE, LOCAL) == Reason.NOT_REGISTERED
    assert refusal(ALICES, ALICE, ALICE) == Reason.TO_ITSELF


@pytest.mark.req("SHK-106")
@pytest.mark.parametrize("intra_sender", ["main", "@@bob.shinkai", "12D3", "1" * 500, str(BOBS.peer), "QmX"])
def test_an_intra_sender_that_is_nobody_without_a_name(intra_sender: str) -> None:
    assert refusal(ALICES, ALICE, RELAY, intra_sender) == Reason.BAD_INTRA_SENDER


@pytest.mark.req("SHK-106")
def test_nodes_without_a_name_can_not_write_to_each_other() -> None:
    assert refusal(FIRST, LOCAL, RELAY, str(SECOND.peer)) == Reason.LOCAL_TO_LOCAL


@pytest.mark.req("SHK-103")
@pytest.mark.parametrize("fields", [("@@a-b.shinkai", BOB), (ALICE, "@@a-b.shinkai"), ("", BOB), (ALICE, "")])
def test_names_that_are_none(fields: tuple[str, str]) -> None:
    with pytest.raises(InvalidName):
        plan_request(message(*fields), ALICES, table(), WE)


@pytest.mark.req("SHK-107")
def test_an_answer_to_a_named_node_is_handed_back() -> None:
    assert plan_answer(message(BOB, ALICE), BOBS, ALICES, WE) is AnswerWay.UNCHANGED


@pytest.mark.req("SHK-107")
def test_what_tells_the_relay_that_it_has_the_message_is_vouched_for() -> None:
    assert plan_answer(message(BOB, RELAY), BOBS, FIRST, WE) is AnswerWay.VOUCHED
    assert plan_answer(message(LOCAL, RELAY), FIRST, BOBS, WE) is AnswerWay.VOUCHED


@pytest.mark.req("SHK-107")
def test_an_answer_to_a_node_without_a_name_is_encrypted_for_it() -> None:
    assert plan_answer(message(BOB, RELAY, str(FIRST.peer)), BOBS, FIRST, WE) is AnswerWay.TO_LOCAL


@pytest.mark.req("SHK-107")
def test_an_answer_of_a_node_without_a_name_is_handed_back_in_the_relays() -> None:
    assert plan_answer(message(LOCAL, BOB), FIRST, BOBS, WE) is AnswerWay.ON_BEHALF


@pytest.mark.req("SHK-107")
def test_answers_that_are_not_handed_back() -> None:
    assert answer_refusal(BOBS, ALICES, ALICE, ALICE) == Reason.NOT_THE_RESPONDER
    assert answer_refusal(FIRST, ALICES, BOB, ALICE) == Reason.NOT_THE_RESPONDER
    assert answer_refusal(BOBS, FIRST, BOB, RELAY, str(SECOND.peer)) == Reason.BAD_INTRA_SENDER
    assert answer_refusal(BOBS, ALICES, BOB, RELAY, str(ALICES.peer)) == Reason.BAD_INTRA_SENDER
    assert answer_refusal(FIRST, BOBS, LOCAL, RELAY, str(BOBS.peer)) == Reason.BAD_INTRA_SENDER
