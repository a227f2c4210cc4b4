"""Messages on their way out: accepted on disk, then delivered, tried again, or dead (SHK-80, SHK-83)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from p2pstack.shinkai import encryption, json_form
from p2pstack.shinkai.errors import InvalidInbox, MessageError
from p2pstack.shinkai.keys import EncryptionPublicKey, EncryptionSecretKey
from p2pstack.shinkai.message import EncryptedBody, ShinkaiMessage
from p2pstack.shinkai.node.outgoing import Outcome, Parcel
from p2pstack.shinkai.node.results import SendResult, SendState
from p2pstack.shinkai.node.stages import inbox_of
from p2pstack.shinkai.node.store import MessageState, MessageStore, StoredMessage
from p2pstack.shinkai.storage.leases import Table
from p2pstack.shinkai.storage.retry_queue import RetryQueue
from p2pstack.storage.database import Database

__all__ = ["Ledger", "readable"]


class Ledger:
    """The retry queue together with the store of sent messages."""

    def __init__(
        self,
        database: Database,
        queue: RetryQueue,
        store: MessageStore,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue = queue
        self.backlog: set[str] = set()
        """Nodes for which something waits, by name: worth a look when they show up."""
        self._database = database
        self._table = Table("retry", (), queue.config)
        self.store = store
        self._clock = clock

    async def load(self) -> None:
        """Find out for whom something waits.

        Raises:
            P2PError: the file can't be read.
        """
        rows = await self._database.run(
            lambda connection: connection.execute("SELECT DISTINCT recipient FROM retry WHERE dead = ''").fetchall()
        )
        self.backlog.update(name for (name,) in rows)

    async def begin_at(self, key: str, attempts: int) -> None:
        """Say that a message that was just claimed was tried before: its back-off goes on from there.

        Raises:
            P2PError: the file can't be written.
        """
        await self._database.run(
            lambda connection: connection.execute("UPDATE retry SET attempts = ? WHERE key = ?", (attempts, key))
        )

    async def settle(
        self,
        parcel: Parcel,
        attempts: int,
        outcome: Outcome,
        *,
        save: StoredMessage | None,
        store: MessageStore | None = None,
    ) -> SendResult:
        """Note what came of attempt number ``attempts``; return what is to be told of it.

        Raises:
            P2PError: the file can't be written; the message is tried again when its lease is over.
        """
        if outcome.state is not None:
            await self.delivered(parcel.key, save=save, store=store)
            return SendResult(
                state=outcome.state,
                key=parcel.key,
                via=outcome.via,
                attempts=outcome.attempts,
                reason=outcome.reason,
                found=outcome.found,
            )
        verdict = await self.queue.failed(parcel.key, attempts, outcome.error)
        if verdict is None:
            return await self._overtaken(parcel.key, outcome)
        if verdict.due is None:
            return SendResult(
                state=SendState.REFUSED,
                key=parcel.key,
                attempts=outcome.attempts,
                reason=f"dead-{verdict.dead}",
                detail=f"it is not tried again: {outcome.error}",
            )
        self.backlog.add(parcel.recipient.node_name)
        return SendResult(
            state=SendState.QUEUED,
            key=parcel.key,
            next_attempt=verdict.due,
            attempts=outcome.attempts,
            reason=outcome.reason,
            detail=outcome.error,
        )

    async def _overtaken(self, key: str, outcome: Outcome) -> SendResult:
        """The lease was over, or an acknowledgement came in the last moment."""
        found = await self.queue.find(key)
        if found is None:
            return SendResult(state=SendState.ACKNOWLEDGED, key=key, attempts=outcome.attempts)
        return SendResult(
            state=SendState.QUEUED,
            key=key,
            next_attempt=found.due,
            attempts=outcome.attempts,
            reason=outcome.reason,
            detail=outcome.error,
        )

    async def delivered(
        self, key: str, *, save: StoredMessage | None = None, store: MessageStore | None = None
    ) -> bool:
        """Forget a message that has arrived, and save it among the sent ones; whether it was in the queue.

        Raises:
            P2PError: the file can't be written.
        """
        own = save is not None and (store is None or store is self.store)

        def operation(connection: sqlite3.Connection) -> bool:
            if own and save is not None:
                self.store.insert(connection, save)
            return self._table.remove(connection, key)

        removed = await self._database.run(operation)
        if save is not None and store is not None and not own:
            await store.add(save)
        return removed

    async def waiting_for(self, key: str, recipient: str) -> tuple[bytes, bool] | None:
        """Return a message that is in the queue for ``recipient``, and whether it is to be saved; None: there is none.

        Raises:
            P2PError: the file can't be read.
        """
        row = await self._database.run(
            lambda connection: connection.execute(
                "SELECT message, save FROM retry WHERE key = ? AND recipient = ?", (key, recipient)
            ).fetchone()
        )
        return None if row is None else (row[0], bool(row[1]))

    def sent(self, key: str, message: ShinkaiMessage, via: str) -> StoredMessage:
        """Return what is saved of a message that was sent; ``message`` as far as it could be decrypted."""
        external = message.external_metadata
        inbox = ""
        if not isinstance(message.body, EncryptedBody):
            try:
                inbox = inbox_of(message)
            except InvalidInbox:
                inbox = ""
        return StoredMessage(
            key=key,
            inbox=inbox,
            sender=external.sender,
            recipient=external.recipient,
            via=via,
            message=json_form.encode(message),
            at=self._clock(),
            state=MessageState.SENT,
            outgoing=True,
        )


def readable(
    message: ShinkaiMessage, secret: EncryptionSecretKey, recipient: EncryptionPublicKey | None
) -> ShinkaiMessage:
    """Return one of our own messages with its layers decrypted, as far as they were encrypted for ``recipient``."""
    if recipient is None:
        return message
    try:
        message = encryption.decrypt_outer(message, secret, recipient)
        return encryption.decrypt_inner(message, secret, recipient)
    except MessageError:
        return message
