"""What ``ShinkaiNode.send`` does: sign and encrypt, accept on disk, try, and say what happened (SHK-80)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from p2pstack.errors import LimitExceeded, P2PError
from p2pstack.shinkai import encryption, json_form, signatures
from p2pstack.shinkai.directory.errors import DirectoryError
from p2pstack.shinkai.directory.interface import Directory
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.errors import BadSignature, MessageError
from p2pstack.shinkai.keys import EncryptionSecretKey, NodeKeys
from p2pstack.shinkai.limits.bandwidth import Priority
from p2pstack.shinkai.message import EncryptedBody, EncryptionMethod, ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName, is_local
from p2pstack.shinkai.node.config import NodeConfig
from p2pstack.shinkai.node.events import MessageDelivered, MessageFailed, NodeEvent
from p2pstack.shinkai.node.ledger import Ledger, readable
from p2pstack.shinkai.node.outgoing import Outcome, Outgoing, Parcel
from p2pstack.shinkai.node.results import SendResult, SendState
from p2pstack.shinkai.node.stages import Stage, stage_of
from p2pstack.shinkai.node.store import MessageStore, StoredMessage
from p2pstack.shinkai.storage.replay import message_key
from p2pstack.shinkai.storage.retry_queue import RetryEntry

__all__ = ["Notifier", "SendOptions", "Sender"]

logger = logging.getLogger("p2pstack.shinkai")

_CONTROL = frozenset({Stage.ACK, Stage.PING, Stage.PONG})


class Notifier(Protocol):
    """Who wants to be told of messages in inboxes: a :class:`~p2pstack.shinkai.node.ws.WsManager`, or such a thing."""

    def notify(self, inbox: str, message: bytes) -> int:
        """Tell of a message, its JSON, in ``inbox``; never waits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """What a call of ``send`` asks for; see there. None: what the node has."""

    encryption_key: EncryptionSecretKey | None = None
    address: Endpoint | None = None
    proxy: ShinkaiName | None = None
    store: MessageStore | None = None
    directory: Directory | None = None
    notifier: Notifier | None = None
    save: bool = True
    retry: int | None = None


class Sender:
    """Sends the messages of one node."""

    def __init__(
        self,
        name: ShinkaiName,
        keys: NodeKeys,
        outgoing: Outgoing,
        ledger: Ledger,
        config: NodeConfig,
        *,
        proxy: ShinkaiName | None,
        entropy: Callable[[int], bytes],
        emit: Callable[[NodeEvent], None],
    ) -> None:
        self.counters: Counter[str] = Counter()
        """How often sends ended in which state, and the reasons of those that were refused."""
        self._name = name
        self._keys = keys
        self._outgoing = outgoing
        self._ledger = ledger
        self._config = config
        self._proxy = proxy
        self._entropy = entropy
        self._emit = emit
        self._turns = asyncio.Semaphore(config.send.max_sending)
        self._givers: set[asyncio.Task[object]] = set()

    async def send(self, message: ShinkaiMessage, options: SendOptions) -> SendResult:
        """Send a message; see ``ShinkaiNode.send``."""
        async with self._turns:
            try:
                recipient = message.recipient_node
                message = self._with_own_key(message)
                plain, sealed = await self._seal(message, recipient, options)
                data = json_form.encode(sealed)
                key = message_key(sealed)
            except (MessageError, DirectoryError) as error:
                return self._refused(error.reason, error)
            except P2PError as error:
                return self._refused("invalid", error)
            return await self._accept(key, recipient, data, plain, sealed, options)

    async def retry(self, entry: RetryEntry) -> Outcome:
        """Make another attempt with a message of the queue, and note what came of it."""
        try:
            message = json_form.decode(entry.message, max_size=len(entry.message))
            parcel = self._parcel(
                entry.key, message.recipient_node, message, Endpoint.parse(entry.address) if entry.address else None
            )
        except (P2PError, ValueError) as error:
            await self._ledger.queue.failed(entry.key, entry.attempts, str(error), final=True)
            return Outcome(state=None, reason="invalid")
        parcel = replace(parcel, priority=Priority.BULK)
        outcome = await self._outgoing.attempt(parcel, proxy=self._proxy)
        save = await self._to_save(parcel, outcome) if entry.save and outcome.state is not None else None
        self._report(parcel, await self._ledger.settle(parcel, entry.attempts, outcome, save=save))
        return outcome

    async def give_up(self, entry: RetryEntry, outcome: Outcome) -> None:
        """Note that an attempt with a message came to nothing, because one with another to the same node did."""
        verdict = await self._ledger.queue.failed(entry.key, entry.attempts, outcome.error)
        if verdict is not None and verdict.due is None:
            result = SendResult(state=SendState.REFUSED, key=entry.key, reason=f"dead-{verdict.dead}")
            self._emit(MessageFailed(recipient=entry.recipient, result=result))

    async def acknowledged(self, sender: ShinkaiName, key: str | None) -> bool:
        """Take an acknowledgement of ``sender``, of the message ``key`` or of the oldest; whether it was of any use."""
        recipient = sender.node_name
        waiters = self._outgoing.waiters
        key = key or waiters.oldest(recipient)
        if key is None:
            return False
        if waiters.acknowledged(key, recipient):
            return True  # whoever waits for it settles the message
        found = await self._ledger.waiting_for(key, recipient)
        if found is None:
            return False
        data, save = found
        parcel = self._parcel(key, sender.node, json_form.decode(data, max_size=len(data)), None)
        outcome = Outcome(state=SendState.ACKNOWLEDGED, via="tcp")
        await self._ledger.delivered(key, save=await self._to_save(parcel, outcome) if save else None)
        self.counters["late-acknowledgement"] += 1
        self._emit(MessageDelivered(key=key, recipient=recipient, via="tcp"))
        return True

    async def close(self) -> None:
        """Wait for what is being noted of sends that were cancelled."""
        if self._givers:
            await asyncio.wait(self._givers)

    # -- steps

    async def _seal(
        self, message: ShinkaiMessage, recipient: ShinkaiName, options: SendOptions
    ) -> tuple[ShinkaiMessage | None, ShinkaiMessage]:
        """Encrypt and sign what is not yet; return the message in the clear, if it was, and as it goes on the wire.

        Raises:
            MessageError: the recipient's key is none.
            DirectoryError: it can't be looked up, and its key is needed.
            P2PError: the directory does not answer, or a text is no valid Unicode.
        """
        body = message.body
        if isinstance(body, EncryptedBody):
            return None, self._signed(message)
        if not self._config.send.encrypt or stage_of(message) in _CONTROL:
            return message, self._signed(message)
        route = await self._outgoing.route(recipient, options.directory)
        secret = options.encryption_key or self._keys.encryption
        if not body.internal_metadata.signature:
            body = signatures.sign_inner(body, self._keys.signature)
        encrypted = encryption.encrypt_body(body, secret, route.record.encryption_key, self._entropy)
        sealed = replace(message, body=encrypted, encryption=EncryptionMethod.DIFFIE_HELLMAN_CHACHA_POLY1305)
        return replace(message, body=body), signatures.sign_outer(sealed, self._keys.signature)

    def _with_own_key(self, message: ShinkaiMessage) -> ShinkaiMessage:
        """Return a message with our key in ``other``, if no directory has it: how else is it to be read?"""
        external = message.external_metadata
        if external.other or not is_local(self._name):
            return message
        own = self._keys.encryption.public.to_hex()
        return replace(message, external_metadata=replace(external, other=own))

    def _signed(self, message: ShinkaiMessage) -> ShinkaiMessage:
        """Return a message with this node's outer signature: what its profiles have signed is signed again."""
        if message.external_metadata.signature:
            try:
                signatures.verify_outer(message, self._keys.signature.public_key)
            except BadSignature:
                pass
            else:
                return message
        return signatures.sign_outer(message, self._keys.signature)

    async def _accept(
        self,
        key: str,
        recipient: ShinkaiName,
        data: bytes,
        plain: ShinkaiMessage | None,
        sealed: ShinkaiMessage,
        options: SendOptions,
    ) -> SendResult:
        """Put a message into the queue, then try it."""
        parcel = self._parcel(key, recipient, sealed, options.address)
        if not parcel.acknowledged:
            return self._report(parcel, await self._once(parcel, options))
        queue = self._ledger.queue
        try:
            queued = await queue.add(
                data,
                key=key,
                recipient=recipient.node_name,
                address=str(options.address or ""),
                save=options.save,
                claim=True,
            )
            attempts = queued.attempts
            if queued.new and options.retry:
                attempts = options.retry + 1
                await self._ledger.begin_at(key, attempts)
        except LimitExceeded as error:
            return self._refused("queue-full", error)
        except P2PError as error:
            return self._refused("not-stored", error)
        if not queued.new:
            state = SendState.REFUSED if queued.dead else SendState.QUEUED
            reason = f"dead-{queued.dead}" if queued.dead else "already-queued"
            return SendResult(state=state, key=key, next_attempt=queued.due, reason=reason, detail=queued.error)
        try:
            return await self._try(parcel, attempts, plain, options)
        except asyncio.CancelledError:
            # It stays accepted; others may try it at once.
            giver: asyncio.Task[object] = asyncio.get_running_loop().create_task(self._give_back(key, attempts))
            self._givers.add(giver)
            giver.add_done_callback(self._givers.discard)
            raise

    async def _try(
        self, parcel: Parcel, attempts: int, plain: ShinkaiMessage | None, options: SendOptions
    ) -> SendResult:
        outcome = await self._outgoing.attempt(parcel, directory=options.directory, proxy=options.proxy or self._proxy)
        save = None
        if options.save and outcome.state is not None:
            save = (
                self._ledger.sent(parcel.key, plain, outcome.via or "")
                if plain is not None
                else await self._to_save(parcel, outcome, options)
            )
        try:
            result = await self._ledger.settle(parcel, attempts, outcome, save=save, store=options.store)
        except P2PError as error:
            # It is on disk, and comes again when its lease is over; a second copy is known to the recipient.
            logger.warning("what came of a message to %s can't be noted: %s", parcel.recipient, error)
            state = outcome.state or SendState.QUEUED
            result = SendResult(
                state=state, key=parcel.key, via=outcome.via, attempts=outcome.attempts, found=outcome.found
            )
        if save is not None and options.notifier is not None:
            options.notifier.notify(save.inbox, save.message)
        return self._report(parcel, result)

    async def _once(self, parcel: Parcel, options: SendOptions) -> SendResult:
        """Send what nobody acknowledges, and what is not worth being sent later."""
        outcome = await self._outgoing.attempt(parcel, directory=options.directory, proxy=options.proxy or self._proxy)
        if outcome.state is None:
            return SendResult(
                state=SendState.REFUSED,
                key=parcel.key,
                attempts=outcome.attempts,
                reason=outcome.reason,
                detail=outcome.error,
            )
        return SendResult(
            state=outcome.state, key=parcel.key, via=outcome.via, attempts=outcome.attempts, found=outcome.found
        )

    async def _give_back(self, key: str, attempts: int) -> None:
        try:
            await self._ledger.queue.failed(key, attempts, "the send was cancelled")
        except P2PError as error:
            logger.info("a message comes back when its lease is over: %s", error)

    def _parcel(self, key: str, recipient: ShinkaiName, message: ShinkaiMessage, address: Endpoint | None) -> Parcel:
        control = not isinstance(message.body, EncryptedBody) and stage_of(message) in _CONTROL
        return Parcel(
            key=key,
            recipient=recipient,
            message=message,
            address=address,
            acknowledged=not control,
            priority=Priority.CONTROL if control else Priority.NORMAL,
        )

    async def _to_save(self, parcel: Parcel, outcome: Outcome, options: SendOptions | None = None) -> StoredMessage:
        """Return what is saved of a message of which there is only the encrypted form."""
        options = options or SendOptions()
        key = None
        try:
            key = (await self._outgoing.route(parcel.recipient, options.directory)).record.encryption_key
        except P2PError:
            logger.debug("a message to %s is saved as it was sent", parcel.recipient)
        plain = readable(parcel.message, options.encryption_key or self._keys.encryption, key)
        return self._ledger.sent(parcel.key, plain, outcome.via or "")

    def _report(self, parcel: Parcel, result: SendResult) -> SendResult:
        self.counters[result.state.value] += 1
        if result.state is SendState.REFUSED:
            self.counters[result.reason] += 1
        recipient = parcel.recipient.node_name
        if result.state in {SendState.ACKNOWLEDGED, SendState.SENT}:
            self._emit(MessageDelivered(key=result.key, recipient=recipient, via=result.via, found=result.found))
        else:
            self._emit(MessageFailed(recipient=recipient, result=result))
        return result

    def _refused(self, reason: str, error: P2PError) -> SendResult:
        self.counters[SendState.REFUSED.value] += 1
        self.counters[reason] += 1
        return SendResult(state=SendState.REFUSED, reason=reason, detail=str(error))
