"""Who signs a message, what is signed, and what has to be right (GS10-07 to GS10-10; specs/gossipsub.md). Hot path.

Checking is cut into three: fields by a policy (:func:`check_fields`), which costs nothing; the key and the bytes that
the signature is over (:func:`signature_job`); and the verification (:func:`verify_jobs`), which takes most of a
message's time, needs no state, and may run in a thread.

What is verified is the re-encoding of the message without signature and key, which is also what go verifies, and what
is forwarded. The bytes as they came may differ; who forwarded a message that the next hop finds wrong would be charged.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.encoding import encode_field, encode_message
from p2pstack.gossipsub.values import MAX_SOURCE, Message, author_of
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.identity.peer_id import MAX_INLINE, PeerId
from p2pstack.wire import uvarint

__all__ = [
    "PREFIX",
    "SEQNO_SIZE",
    "Job",
    "SigningPolicy",
    "build",
    "check_fields",
    "sign",
    "signature_job",
    "verify_jobs",
]

PREFIX = b"libp2p-pubsub:"
"""What stands in front of the message in the bytes that are signed (GS10-08)."""

SEQNO_SIZE = 8
"""Bytes of a sequence number (GS10-07)."""

Job = tuple[PublicKey, bytes, bytes]
"""A key, the bytes that are signed, and the signature."""

_SIGNATURE_TAG = 0x2A
_MAX_KEY = 2_048
"""Bytes of the longest key that is looked at; of an RSA key of 8,192 bits it has about 1,070."""


class SigningPolicy(Enum):
    """What a message must have to be taken (GS10-10)."""

    STRICT_SIGN = "strict-sign"
    """Author, sequence number and signature."""

    STRICT_NO_SIGN = "strict-no-sign"
    """None of author, sequence number, signature and key."""

    PERMISSIVE = "permissive"
    """Anything, but what is there must be right. Go calls it "lax"; nodes of Shinkai are so."""


def sign(source: bytes, data: bytes, seqno: bytes, topic: str, key: PrivateKey) -> Message:
    """Return a message of ``source`` with the signature of ``key``, and the key itself where an id can't hold it.

    Raises:
        ConfigError: the topic has no bytes.
    """
    encoded = encode_message(source, data, seqno, topic)
    signature = key.sign(PREFIX + encoded)
    encoded += encode_field(b"\x2a", signature)
    public: bytes | None = key.public_key.to_protobuf()
    if public is not None and len(public) <= MAX_INLINE:
        public = None
    if public is not None:
        encoded += encode_field(b"\x32", public)
    return Message(data, topic, source, seqno, signature, public, encoded)


def build(
    topic: str,
    data: bytes,
    *,
    key: PrivateKey | None = None,
    source: PeerId | None = None,
    seqno: int | None = None,
) -> Message:
    """Return a message that can be published: signed when there is a ``key``, whose owner then is the author.

    Raises:
        ConfigError: the topic has no bytes; ``seqno`` has more than 64 bits, or is missing for a signed message; or
            ``source`` is not the owner of ``key``.
    """
    if seqno is not None and not 0 <= seqno < 1 << 8 * SEQNO_SIZE:
        raise ConfigError(f"a sequence number has 64 bits, which {seqno} has not")
    number = None if seqno is None else seqno.to_bytes(SEQNO_SIZE, "big")
    if key is None:
        return Message(data, topic, None if source is None else source.to_bytes(), number)
    if number is None:
        raise ConfigError("a message that is signed has a sequence number")
    if source is not None and source != key.peer_id:
        raise ConfigError(f"the key of {key.peer_id} can't sign for {source}")
    return sign(key.peer_id.to_bytes(), data, number, topic, key)


def check_fields(message: Message, policy: SigningPolicy) -> str | None:
    """Return why the policy refuses the fields of a message, a name of :mod:`reasons`; None when it does not.

    The signature itself is not looked at. With the permissive policy an author or a sequence number that is present but
    empty counts as absent, as in rust.
    """
    if policy is SigningPolicy.STRICT_NO_SIGN:
        if message.signature is not None:
            return reasons.UNEXPECTED_SIGNATURE
        if message.source is not None or message.seqno is not None or message.key is not None:
            return reasons.UNEXPECTED_AUTH
        return None
    strict = policy is SigningPolicy.STRICT_SIGN
    if strict and message.signature is None:
        return reasons.MISSING_SIGNATURE
    if not message.source:
        if message.signature is not None:
            return reasons.MISSING_SOURCE
    elif author_of(message.source) is None:
        return reasons.BAD_SOURCE
    seqno = message.seqno
    if (seqno or strict) and (seqno is None or len(seqno) != SEQNO_SIZE):
        return reasons.BAD_SEQNO
    return None


def signature_job(message: Message) -> Job | str:
    """Return what has to be verified of a message that has a signature, or a name of :mod:`reasons` if nothing can be.

    The key is the author's: the one in its id, or the one that comes with the message and gives this id (GS10-09).
    """
    signature, source = message.signature, message.source
    if signature is None:
        return reasons.MISSING_SIGNATURE
    if not source:
        return reasons.MISSING_SOURCE
    if len(source) > MAX_SOURCE:
        return reasons.BAD_SOURCE
    attached = message.key
    key = _inlined_key(source) if attached is None else _attached_key(attached)
    if key is None or (attached is not None and key.peer_id.to_bytes() != source):
        return reasons.BAD_SOURCE if author_of(source) is None else reasons.BAD_KEY
    return key, PREFIX + _signed_part(message, signature), signature


def _signed_part(message: Message, signature: bytes) -> bytes:
    """The encoding without signature and key, which stand together, behind the other known fields."""
    encoded = message.encoded
    offset = 0
    while encoded[offset] < _SIGNATURE_TAG:
        length, offset = uvarint.decode(encoded, offset + 1)
        offset += length
    length, end = uvarint.decode(encoded, offset + 1)
    end += length
    if message.key is not None:
        length, end = uvarint.decode(encoded, end + 1)
        end += length
    return encoded[:offset] + encoded[end:]


@lru_cache(maxsize=4_096)
def _inlined_key(source: bytes) -> PublicKey | None:
    author = author_of(source)
    return None if author is None else author.public_key


def _attached_key(encoded: bytes) -> PublicKey | None:
    return None if len(encoded) > _MAX_KEY else _read_key(encoded)


@lru_cache(maxsize=512)
def _read_key(encoded: bytes) -> PublicKey | None:
    try:
        return PublicKey.from_protobuf(encoded)
    except DecodeError:
        return None


def verify_jobs(jobs: Iterable[Job]) -> list[bool]:
    """Tell of each job whether its signature is right. Pure, and safe in any thread."""
    return [key.verify(signed, signature) for key, signed, signature in jobs]
