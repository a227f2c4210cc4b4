"""Hands requests on and their answers back, as forwarding.py decides (SHK-103 to SHK-108; specs/shinkai.md).

A request lives as long as its stream: who asks waits on it, and gets what the node that was asked says, or an empty
answer where the request is refused. Nothing is kept here, so nothing is left when the relay ends.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from p2pstack.errors import HostClosed, LimitExceeded, P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai import encryption, json_form, signatures
from p2pstack.shinkai.errors import MessageError
from p2pstack.shinkai.keys import EncryptionPublicKey, NodeKeys
from p2pstack.shinkai.message import EncryptedBody, ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.direct import DirectMessages, Held
from p2pstack.shinkai.node.acks import make_ack
from p2pstack.shinkai.node.stages import Stage, stage_of
from p2pstack.shinkai.relayer.errors import Reason, Refused
from p2pstack.shinkai.relayer.forwarding import AnswerWay, Plan, RequestWay, plan_answer, plan_request
from p2pstack.shinkai.relayer.registrar import Registrar
from p2pstack.shinkai.relayer.registrations import Registration
from p2pstack.shinkai.relayer.rewriting import for_local, on_behalf
from p2pstack.shinkai.storage.replay import message_key

__all__ = ["Courier"]

logger = logging.getLogger("p2pstack.shinkai")


class Courier:
    """Answers the requests of one relay. ``direct`` is set before the first one comes.

    ``counters`` counts what became of requests (``forwarded``, ``answered``, ``for-us``) and what was ``refused``, by
    reason, and the bytes that were handed on either way.
    """

    direct: DirectMessages

    def __init__(
        self,
        name: ShinkaiName,
        keys: NodeKeys,
        registrar: Registrar,
        *,
        counters: Counter[str],
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._name = name
        self._keys = keys
        self._registrar = registrar
        self._counters = counters
        self._clock = clock
        self._entropy = entropy

    async def answer(self, peer: PeerId, request: Held) -> bytes:
        """Return what answers a request; ``b""`` where it is refused, or the node that was asked says nothing."""
        try:
            source = await self._registrar.settled(peer)
            message = json_form.decode(request.data)
            plan = plan_request(message, source, self._registrar.table, self._name)
            assert source is not None
            if plan.target is None:
                return self._own(message, source)
            data = self._outgoing(message, request.data, source, plan, plan.target)
            answer = await self._ask(plan.target, data)
        except (MessageError, Refused) as error:
            return self._refuse("refused", peer, error)
        try:
            return self._back(message, answer, source, plan.target)
        except (MessageError, Refused) as error:
            return self._refuse("answer-refused", plan.target.peer, error)

    def _refuse(self, what: str, peer: PeerId, error: MessageError | Refused) -> bytes:
        self._counters[f"{what}.{error.reason}"] += 1
        logger.debug("a message of %s is not handed on, %s: %s", peer, error.reason, error)
        return b""

    def _outgoing(
        self, message: ShinkaiMessage, data: bytes, source: Registration, plan: Plan, target: Registration
    ) -> bytes:
        """Return what ``target`` is asked."""
        if plan.way is RequestWay.ON_BEHALF:
            signatures.verify_outer(message, source.key)
            return json_form.encode(on_behalf(message, source.peer, self._name, self._keys))
        return self._for_local(message, source, target) if plan.way is RequestWay.TO_LOCAL else data

    async def _ask(self, target: Registration, data: bytes) -> bytes:
        try:
            answer = await self.direct.request(target.peer, data, dial=False)
        except HostClosed:
            raise
        except P2PError as error:
            reason = error.name if isinstance(error, LimitExceeded) else Reason.UNREACHABLE
            raise Refused(reason, f"{target.name}: {error}", requirement="SHK-104") from error
        self._counters["forwarded"] += 1
        self._counters["bytes"] += len(data) + len(answer)
        if not answer:
            raise Refused(Reason.NO_ANSWER, f"{target.name} says nothing", requirement="SHK-107")
        self._counters["answered"] += 1
        return answer

    def _back(self, message: ShinkaiMessage, data: bytes, asker: Registration, asked: Registration) -> bytes:
        """Return what ``asker`` is answered, when ``asked`` has answered with ``data``."""
        answer = json_form.decode(data, max_size=self.direct.config.max_response)
        way = plan_answer(answer, asked, asker, self._name)
        if way is AnswerWay.UNCHANGED:
            return data
        if way is AnswerWay.TO_LOCAL:
            return self._for_local(answer, asked, asker)
        signatures.verify_outer(answer, asked.key)
        if way is AnswerWay.ON_BEHALF:
            return json_form.encode(on_behalf(answer, asked.peer, self._name, self._keys))
        return self._acknowledge(message, asker)

    def _for_local(self, message: ShinkaiMessage, sender: Registration, recipient: Registration) -> bytes:
        """Return a message that ``sender`` wrote to this relay as ``recipient``, without a name, is given it."""
        signatures.verify_outer(message, sender.key)
        assert sender.record is not None
        changed = for_local(
            message, sender.record.encryption_key, recipient.name, self._name, self._keys, self._entropy
        )
        return json_form.encode(changed)

    def _own(self, message: ShinkaiMessage, source: Registration) -> bytes:
        """Take a message for this relay: it is acknowledged, if it is one to acknowledge, and kept nowhere."""
        signatures.verify_outer(message, source.key)
        read = message
        if isinstance(message.body, EncryptedBody):
            other = message.external_metadata.other
            key = EncryptionPublicKey.from_hex(other) if source.record is None else source.record.encryption_key
            read = encryption.decrypt_outer(message, self._keys.encryption, key)
        self._counters["for-us"] += 1
        return self._acknowledge(message, source) if stage_of(read) in {Stage.JOB, Stage.MESSAGE} else b""

    def _acknowledge(self, message: ShinkaiMessage, asker: Registration) -> bytes:
        """Return our own acknowledgement of a message."""
        ack = make_ack(
            self._keys,
            self._name,
            asker.name.node_name,
            message_key(message),
            time=self._clock(),
            entropy=self._entropy,
        )
        return json_form.encode(ack)
