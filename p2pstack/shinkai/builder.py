"""Makes messages: filled in by name, then encrypted and signed in the one order that works (SHK-23 to SHK-26).

::

    message = (
        ShinkaiMessageBuilder(keys, "@@alice.shinkai", "@@bob.shinkai", time=time.time(), entropy=os.urandom)
        .profiles("main", "main")
        .text("Hello Bob")
        .encrypt_content_for(bobs_profile_key)
        .encrypt_body_for(bobs_node_key)
        .build()
    )

The order is: content encrypted, inner signature, body encrypted, outer signature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from p2pstack.shinkai import contents, encryption, signatures
from p2pstack.shinkai.contents import JobCreation, JobMessage
from p2pstack.shinkai.errors import InvalidInbox
from p2pstack.shinkai.inboxes import InboxName
from p2pstack.shinkai.keys import EncryptionPublicKey, NodeKeys
from p2pstack.shinkai.message import (
    EncryptedBody,
    EncryptionMethod,
    ExternalMetadata,
    InternalMetadata,
    NodeApiData,
    ShinkaiBody,
    ShinkaiData,
    ShinkaiMessage,
)
from p2pstack.shinkai.schemas import MessageSchemaType
from p2pstack.shinkai.times import format_time

__all__ = ["ACK", "PING", "PONG", "TERMINATE", "ShinkaiMessageBuilder"]

ACK = "ACK"
PING = "Ping"
PONG = "Pong"
TERMINATE = "terminate"


class ShinkaiMessageBuilder:
    """Collects what a message says; each method returns the builder, and :meth:`build` makes the message.

    ``keys`` are the sender's. ``sender`` and ``recipient`` are the names of their nodes, as they shall stand in the
    message. ``time`` is the time in seconds since 1970, or a text that stands in the message as it is. ``entropy(n)``
    gives ``n`` random bytes, and is asked for the nonce of each layer that is encrypted.

    Raises:
        LocalError: there is no date for ``time``.
    """

    def __init__(
        self, keys: NodeKeys, sender: str, recipient: str, *, time: float | str, entropy: Callable[[int], bytes]
    ) -> None:
        self._keys = keys
        self._sender = sender
        self._recipient = recipient
        self._time = time if isinstance(time, str) else format_time(time)
        self._entropy = entropy
        self._data = ShinkaiData("", MessageSchemaType.EMPTY)
        self._sender_subidentity = ""
        self._recipient_subidentity = ""
        self._inbox = ""
        self._intra_sender = ""
        self._other = ""
        self._node_api_data: NodeApiData | None = None
        self._content_key: EncryptionPublicKey | None = None
        self._body_key: EncryptionPublicKey | None = None

    # What it says

    def content(self, text: str, schema: MessageSchemaType) -> ShinkaiMessageBuilder:
        """Say ``text``, which follows ``schema``."""
        self._data = ShinkaiData(text, schema)
        return self

    def text(self, text: str) -> ShinkaiMessageBuilder:
        """Say something to a person."""
        return self.content(text, MessageSchemaType.TEXT_CONTENT)

    def ack(self) -> ShinkaiMessageBuilder:
        """Acknowledge a message; says in ``other`` how to encrypt for us (SHK-24)."""
        return self.content(ACK, MessageSchemaType.EMPTY).offer_own_key()

    def ping(self) -> ShinkaiMessageBuilder:
        """Ask whether the node is there; it answers with a message that says Pong (SHK-24)."""
        return self.content(PING, MessageSchemaType.EMPTY)

    def pong(self) -> ShinkaiMessageBuilder:
        """Answer a ping (SHK-24)."""
        return self.content(PONG, MessageSchemaType.EMPTY)

    def terminate(self) -> ShinkaiMessageBuilder:
        """Ask for an end (SHK-24)."""
        return self.content(TERMINATE, MessageSchemaType.EMPTY)

    def error(self, reason: str, key: EncryptionPublicKey) -> ShinkaiMessageBuilder:
        """Tell of an error, encrypted for ``key`` (SHK-24). The text is no JSON, and is so in the original."""
        return self.content(f'{{error: "{reason}"}}', MessageSchemaType.EMPTY).encrypt_content_for(key)

    def job(self, message: JobMessage) -> ShinkaiMessageBuilder:
        """Say something to a job, in the job's inbox (SHK-25).

        The original puts the sender's profile into ``intra_sender`` as well, and nodes of today then take the message
        for one that came through a relay.

        Raises:
            InvalidInbox: no inbox follows from the job's id.
            LocalError: there is no JSON for the callback or the metadata.
        """
        return self.content(message.to_json(), MessageSchemaType.JOB_MESSAGE_SCHEMA).inbox(
            InboxName.of_job(message.job_id)
        )

    def job_creation(self, creation: JobCreation) -> ShinkaiMessageBuilder:
        """Ask for a new job (SHK-25).

        Raises:
            LocalError: there is no JSON for what it is associated with.
        """
        return self.content(creation.to_json(), MessageSchemaType.JOB_CREATION_SCHEMA)

    def offering_request(self, agent: str) -> ShinkaiMessageBuilder:
        """Ask what tools ``agent`` offers, by its name (SHK-26).

        A relay asks in the open, from profile main to profile main. A node encrypts the body, and adds
        :meth:`offer_own_key`, from itself to profile main.
        """
        return self.content(contents.offering_request(agent), MessageSchemaType.AGENT_NETWORK_OFFERING_REQUEST)

    def offering_response(
        self, tools: Sequence[Mapping[str, Any]], request: ExternalMetadata | None = None
    ) -> ShinkaiMessageBuilder:
        """Answer a request with our tools, from the node to profile main (SHK-26).

        ``request`` is the metadata of the request: if a relay handed it on, the answer finds its way back by it.

        Raises:
            LocalError: there is no JSON for something in the tools.
        """
        self.content(contents.offerings(tools), MessageSchemaType.AGENT_NETWORK_OFFERING_RESPONSE)
        self.profiles("", "main").offer_own_key()
        if request is not None and request.other and request.intra_sender:
            self.profiles(request.intra_sender, "main").intra_sender(request.intra_sender).other(request.other)
        return self

    # To whom, and what for

    def profiles(self, sender: str, recipient: str) -> ShinkaiMessageBuilder:
        """Say what below the nodes it is from and to: ``main``, ``main/device/phone``, or nothing."""
        self._sender_subidentity, self._recipient_subidentity = sender, recipient
        return self

    def inbox(self, inbox: InboxName) -> ShinkaiMessageBuilder:
        """Put it into ``inbox``, instead of the one of sender and recipient (SHK-05)."""
        self._inbox = inbox.value
        return self

    def intra_sender(self, name: str) -> ShinkaiMessageBuilder:
        """Set the field ``intra_sender``: the sender's profile in messages to jobs, a peer id behind a relay."""
        self._intra_sender = name
        return self

    def other(self, text: str) -> ShinkaiMessageBuilder:
        """Set the field ``other``."""
        self._other = text
        return self

    def offer_own_key(self) -> ShinkaiMessageBuilder:
        """Put our X25519 public key into the field ``other``, in hex."""
        return self.other(self._keys.encryption.public.to_hex())

    def node_api_data(self, data: NodeApiData) -> ShinkaiMessageBuilder:
        """Add what a node notes in the messages that it stores. It is not signed."""
        self._node_api_data = data
        return self

    # How it travels

    def encrypt_content_for(self, key: EncryptionPublicKey) -> ShinkaiMessageBuilder:
        """Encrypt the content for the recipient's profile, or its node if that shall read it (SHK-21)."""
        self._content_key = key
        return self

    def encrypt_body_for(self, key: EncryptionPublicKey) -> ShinkaiMessageBuilder:
        """Encrypt the body, with profiles, inbox and inner signature, for the recipient's node (SHK-20)."""
        self._body_key = key
        return self

    def build(self) -> ShinkaiMessage:
        """Make the message (SHK-23). Each call takes new nonces.

        Where no inbox was set and none follows from the names, that field stays empty, as in the original.

        Raises:
            InvalidKey: a recipient's key is of low order.
            LocalError: a text is no valid Unicode.
        """
        internal = InternalMetadata(
            sender_subidentity=self._sender_subidentity,
            recipient_subidentity=self._recipient_subidentity,
            inbox=self._inbox or self._inbox_of_names(),
            encryption=_method(self._content_key),
            node_api_data=self._node_api_data,
        )
        secret, data = self._keys.encryption, self._data
        content = (
            data
            if self._content_key is None
            else encryption.encrypt_content(data, secret, self._content_key, self._entropy)
        )
        signed = signatures.sign_inner(ShinkaiBody(content, internal), self._keys.signature)
        body: ShinkaiBody | EncryptedBody = (
            signed if self._body_key is None else encryption.encrypt_body(signed, secret, self._body_key, self._entropy)
        )
        message = ShinkaiMessage(
            body=body,
            external_metadata=ExternalMetadata(
                sender=self._sender,
                recipient=self._recipient,
                scheduled_time=self._time,
                intra_sender=self._intra_sender,
                other=self._other,
            ),
            encryption=_method(self._body_key),
        )
        return signatures.sign_outer(message, self._keys.signature)

    def _inbox_of_names(self) -> str:
        try:
            return InboxName.of_message(
                self._sender,
                self._sender_subidentity,
                self._recipient,
                self._recipient_subidentity,
                end_to_end=self._content_key is not None,
            ).value
        except InvalidInbox:
            return ""


def _method(key: EncryptionPublicKey | None) -> EncryptionMethod:
    return EncryptionMethod.NONE if key is None else EncryptionMethod.DIFFIE_HELLMAN_CHACHA_POLY1305
