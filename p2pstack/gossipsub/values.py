"""What stands in an RPC of pubsub, as plain values (GS10-02, GS10-20; specs/gossipsub.md).

A topic is text here and bytes on the wire. Both ways go through ``surrogateescape``: whatever bytes a peer calls a
topic, they become a text and then the same bytes again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from p2pstack.errors import DecodeError
from p2pstack.gossipsub.encoding import encode_message
from p2pstack.identity.peer_id import MAX_INLINE, PeerId

__all__ = ["Extensions", "IHave", "Message", "PeerInfo", "Prune", "Rpc", "Subscription", "author_of"]

MAX_SOURCE = MAX_INLINE + 2
"""Bytes of the longest peer id: what is longer is none, and is not kept in a cache either."""


@lru_cache(maxsize=4_096)
def _known_author(source: bytes) -> PeerId | None:
    try:
        return PeerId(source)
    except DecodeError:
        return None


def author_of(source: bytes | None) -> PeerId | None:
    """Return the peer id that ``source`` holds; None when it is absent or holds none."""
    if source is None or len(source) > MAX_SOURCE:
        return None
    return _known_author(source)


@dataclass(slots=True, eq=False)
class Message:
    """One message, as it was received or as it goes out. Not to be changed once made.

    Two are equal when their ``encoded`` is, and they can be keys of a dict.
    """

    data: bytes
    """What the author wanted to say; empty as well when the field is absent."""

    topic: str
    """In which topic; empty as well when the field is absent."""

    source: bytes | None = None
    """The author's peer id, unchecked; None when absent, as in all of the following."""

    seqno: bytes | None = None
    """The author's number of this message, 8 bytes big-endian, unchecked (GS10-07)."""

    signature: bytes | None = None
    """The author's signature, unchecked (GS10-08)."""

    key: bytes | None = None
    """The author's public key in protobuf form, unchecked, where ``source`` doesn't hold it (GS10-09)."""

    encoded: bytes = b""
    """The message in protobuf, as it is signed and forwarded: the known fields in the order of their numbers, absent
    ones left out, then the unknown ones (GS10-08, GS10-29). Made of the other fields where it is not given."""

    portable: bool = True
    """False: some implementations can't read it, and would cut off who forwards it. It is verified and marked as seen,
    because peers that can read it tell of it; but then ignored."""

    def __post_init__(self) -> None:
        if not self.encoded:
            self.encoded = encode_message(self.source, self.data, self.seqno, self.topic, self.signature, self.key)

    @property
    def author(self) -> PeerId | None:
        """The peer that ``source`` names; None when it is absent, or no peer id."""
        return author_of(self.source)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self.encoded == other.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)


@dataclass(slots=True)
class Subscription:
    """The peer is in a topic from now on, or no longer (GS10-04)."""

    subscribe: bool
    topic: str


@dataclass(slots=True)
class IHave:
    """The peer has messages with these ids in a topic."""

    topic: str
    ids: list[bytes]


@dataclass(slots=True)
class PeerInfo:
    """Another peer of a topic: its id and, maybe, its signed peer record, both unchecked (GS11-06)."""

    peer: bytes
    record: bytes | None = None


@dataclass(slots=True)
class Prune:
    """The peer takes us out of its mesh; ``backoff`` is in seconds, None when absent (GS11-02)."""

    topic: str
    peers: list[PeerInfo] = field(default_factory=list)
    backoff: int | None = None


@dataclass(slots=True)
class Extensions:
    """The extensions that the peer supports (GS13-01)."""

    test: bool = False


@dataclass(slots=True)
class Rpc:
    """One RPC. One that goes out is not changed once it is queued: it may go to many peers, and is encoded once."""

    subscriptions: list[Subscription] = field(default_factory=list)
    publish: list[Message] = field(default_factory=list)
    ihave: list[IHave] = field(default_factory=list)

    iwant: list[bytes] = field(default_factory=list)
    """The ids of all IWANT entries."""

    graft: list[str] = field(default_factory=list)
    """The topics of all GRAFT entries."""

    prune: list[Prune] = field(default_factory=list)

    idontwant: list[bytes] = field(default_factory=list)
    """The ids of all IDONTWANT entries."""

    extensions: Extensions | None = None

    test_extension: bool = False
    """The message of the test extension was there (GS13-03)."""

    has_control: bool = False
    """A control part was there, with or without anything in it; set by the decoder alone (GS11-14)."""

    frames: list[bytes] | None = field(default=None, repr=False, compare=False)
    """What :func:`~p2pstack.gossipsub.codec.encode_rpc` made of it."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it to act on or to send."""
        return not (
            self.publish
            or self.idontwant
            or self.ihave
            or self.iwant
            or self.graft
            or self.prune
            or self.subscriptions
            or self.test_extension
            or self.extensions is not None
        )
