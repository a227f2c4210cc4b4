"""What a relay does with a request, and with its answer (SHK-103 to SHK-107; specs/shinkai.md). Pure.

A request comes from a registered peer P, and is for the relay itself, for a node Q that is registered by name, or for a
node without a name that P answers. ::

    P named, for Q               handed on as it is
    P without a name, for Q      handed on in the relay's name, P's peer id beside it (on behalf)
    P named, for the relay,      encrypted anew for the node without a name whose peer id that is (to local)
      with a peer id beside it
    for the relay, without       the relay's own business

Whoever P is, the message must name it as the sender. The peer id has proved the key, so no signature is needed for
that, and no message goes in a circle: a relay that it is handed to is not who sends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from p2pstack.errors import DecodeError
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName, is_local
from p2pstack.shinkai.relayer.errors import Reason, Refused
from p2pstack.shinkai.relayer.registrations import Registration, Registrations

__all__ = ["AnswerWay", "Plan", "RequestWay", "plan_answer", "plan_request"]


class RequestWay(Enum):
    """What becomes of a request."""

    OURS = auto()
    """It is for the relay itself."""

    UNCHANGED = auto()
    """It is handed on as it is."""

    ON_BEHALF = auto()
    """It is handed on in the relay's name."""

    TO_LOCAL = auto()
    """It is encrypted anew for a node without a name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a request, and who is asked; None where that is the relay itself."""

    way: RequestWay
    target: Registration | None = None


class AnswerWay(Enum):
    """What becomes of an answer."""

    UNCHANGED = auto()
    """It is handed back as it is."""

    ON_BEHALF = auto()
    """It is handed back in the relay's name."""

    TO_LOCAL = auto()
    """It is encrypted anew for the node without a name that has asked."""

    VOUCHED = auto()
    """It tells the relay that it has the message: the relay says so in its own name."""


def plan_request(
    message: ShinkaiMessage, source: Registration | None, table: Registrations, relay: ShinkaiName
) -> Plan:
    """Decide on a request of ``source``; None where its peer is not registered.

    Raises:
        InvalidName: sender or recipient is none.
        Refused: it is not handed on.
    """
    if source is None:
        raise Refused(Reason.UNREGISTERED, "who sends is not registered", requirement="SHK-103")
    _check_sender(message, source, Reason.NOT_THE_SENDER)
    recipient = message.recipient_node
    if recipient == relay:
        if not message.external_metadata.intra_sender:
            return Plan(RequestWay.OURS)
        if source.local:
            raise Refused(Reason.LOCAL_TO_LOCAL, "neither of them has a key that is known", requirement="SHK-106")
        return Plan(RequestWay.TO_LOCAL, _local_target(message, table))
    target = table.holder(recipient)
    if target is None:
        raise Refused(Reason.NOT_REGISTERED, f"{recipient} is not registered", requirement="SHK-104")
    if target.peer == source.peer:
        raise Refused(Reason.TO_ITSELF, f"{recipient} writes to itself", requirement="SHK-104")
    return Plan(RequestWay.ON_BEHALF if source.local else RequestWay.UNCHANGED, target)


def plan_answer(answer: ShinkaiMessage, asked: Registration, asker: Registration, relay: ShinkaiName) -> AnswerWay:
    """Decide on what ``asked`` answers a request of ``asker`` with.

    Raises:
        InvalidName: sender or recipient is none.
        Refused: it is not handed back.
    """
    _check_sender(answer, asked, Reason.NOT_THE_RESPONDER)
    if answer.recipient_node != relay:
        return AnswerWay.ON_BEHALF if asked.local else AnswerWay.UNCHANGED
    intra_sender = answer.external_metadata.intra_sender
    if not intra_sender:
        return AnswerWay.VOUCHED
    if asked.local or not asker.local or intra_sender != str(asker.peer):
        raise Refused(Reason.BAD_INTRA_SENDER, "it answers somebody who has not asked", requirement="SHK-107")
    return AnswerWay.TO_LOCAL


def _check_sender(message: ShinkaiMessage, source: Registration, reason: Reason) -> None:
    sender = message.sender_node
    if is_local(sender) if source.local else sender == source.name:
        return
    raise Refused(reason, f"{sender} is not who {source.peer} is registered as", requirement="SHK-103")


def _local_target(message: ShinkaiMessage, table: Registrations) -> Registration:
    try:
        target = table.of(PeerId.from_string(message.external_metadata.intra_sender))
    except DecodeError:
        target = None
    if target is None or not target.local:
        raise Refused(
            Reason.BAD_INTRA_SENDER, "intra_sender is no peer that is registered without a name", requirement="SHK-106"
        )
    return target
