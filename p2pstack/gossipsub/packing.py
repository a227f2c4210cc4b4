"""RPCs that go out, cut into frames that every peer reads (GS10-30, GS11-14, GS12-04; specs/gossipsub.md). Hot path.

A frame is a length and an RPC. Subscriptions and control entries are gathered into frames of at most
:data:`MAX_CONTROL` bytes, as few as possible, because peers count RPCs with a control part. Messages follow, each in a
frame of its own: nothing that is queued for a peer waits for a large neighbour, and one frame serves all peers.
"""

from __future__ import annotations

from collections.abc import Sequence

from p2pstack.gossipsub.encoding import encode_field, topic_to_bytes
from p2pstack.gossipsub.values import Message, Prune, Rpc, Subscription
from p2pstack.wire import uvarint
from p2pstack.wire.framing import encode_frame

__all__ = ["MAX_CONTROL", "MAX_IDONTWANT", "encode_rpc"]

MAX_CONTROL = 16_384
"""Bytes of subscriptions and control in one frame: rust refuses more (GS10-30)."""

MAX_IDONTWANT = 10
"""Ids of IDONTWANT in one frame: go reads no more of an RPC (GS12-04)."""

_IHAVE, _IWANT, _GRAFT, _PRUNE, _IDONTWANT, _EXTENSIONS = range(1, 7)
"""The fields of a control part."""

_TAGS = [bytes((number << 3 | 2,)) for number in range(7)]
"""The tags of fields of bytes, by the fields' numbers."""

_TEST = b"\x90\x91\xe2\x18\x01"
"""That the test extension is supported: field 6492434 of the extensions, true."""

_TEST_MESSAGE = b"\x92\x91\xe2\x18\x00"
"""The message of the test extension: field 6492434 of the RPC, empty (GS13-03)."""

_HEAD = 4
"""Bytes that tag and length of a part of at most :data:`MAX_CONTROL` bytes may take."""


def encode_rpc(rpc: Rpc) -> list[bytes]:
    """Return the frames of an RPC, each with its length in front; none when it is empty.

    The extensions stand in the first frame (GS13-01). An RPC is encoded once, and keeps its frames.

    Raises:
        ConfigError: a topic has no bytes, or a back-off is no varint.
    """
    if rpc.frames is None:
        frames = [] if _is_plain(rpc) else _control_frames(rpc)
        frames += map(_message_frame, rpc.publish)
        rpc.frames = frames
    return rpc.frames


def _is_plain(rpc: Rpc) -> bool:
    """Whether nothing but messages is in it."""
    return not (
        rpc.subscriptions
        or rpc.idontwant
        or rpc.ihave
        or rpc.iwant
        or rpc.graft
        or rpc.prune
        or rpc.test_extension
        or rpc.extensions is not None
    )


def _message_frame(message: Message) -> bytes:
    encoded = message.encoded
    head = b"\x12" + uvarint.encode(len(encoded))
    return b"%b%b%b" % (uvarint.encode(len(head) + len(encoded)), head, encoded)


def _control_frames(rpc: Rpc) -> list[bytes]:
    packer = _Packer()
    if rpc.extensions is not None:
        packer.add(_EXTENSIONS, _TEST if rpc.extensions.test else b"")
    left = {each.topic for each in rpc.subscriptions if not each.subscribe}
    _add_prunes(packer, [prune for prune in rpc.prune if prune.topic in left])
    if left and rpc.extensions is None:
        # Rust would begin a long back-off of its own for a member of its mesh that unsubscribes before its PRUNE.
        packer.close()
    for subscription in rpc.subscriptions:
        packer.add_subscription(_subscription(subscription))
    for topic in rpc.graft:
        packer.add(_GRAFT, _topic(topic))
    _add_prunes(packer, [prune for prune in rpc.prune if prune.topic not in left])
    for have in rpc.ihave:
        packer.add_ids(_IHAVE, have.ids, _topic(have.topic))
    packer.add_ids(_IWANT, rpc.iwant)
    packer.add_ids(_IDONTWANT, rpc.idontwant, most=MAX_IDONTWANT)
    if rpc.test_extension:
        packer.add_test_message()
    packer.close()
    return packer.frames


def _add_prunes(packer: _Packer, prunes: list[Prune]) -> None:
    for prune in prunes:
        packer.add(_PRUNE, _prune(prune))


def _topic(topic: str) -> bytes:
    return encode_field(b"\x0a", topic_to_bytes(topic))


def _subscription(subscription: Subscription) -> bytes:
    flag = b"\x08\x01" if subscription.subscribe else b"\x08\x00"
    return encode_field(b"\x0a", flag + encode_field(b"\x12", topic_to_bytes(subscription.topic)))


def _prune(prune: Prune) -> bytes:
    """A PRUNE with as many of its peers as fit into a frame: they are an offer, and the rest can go untold."""
    topic = _topic(prune.topic)
    backoff = b"" if prune.backoff is None else b"\x18" + uvarint.encode(prune.backoff)
    room = MAX_CONTROL - 2 * _HEAD - len(topic) - len(backoff)
    peers = []
    for each in prune.peers:
        record = b"" if each.record is None else encode_field(b"\x12", each.record)
        encoded = encode_field(b"\x12", encode_field(b"\x0a", each.peer) + record)
        room -= len(encoded)
        if room < 0:
            break
        peers.append(encoded)
    return topic + b"".join(peers) + backoff


class _Packer:
    """Fills frames one after the other; ``frames`` are those that are complete."""

    __slots__ = ("_control", "_rest", "_size", "_subscriptions", "frames")

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._start()

    def _start(self) -> None:
        self._subscriptions: list[bytes] = []
        self._control: list[tuple[int, bytes]] = []
        self._rest = b""
        self._size = _HEAD

    def close(self) -> None:
        """Complete the frame that was begun, if anything is in it."""
        if self._size == _HEAD:
            return
        # The order of the numbers, which is that of GS10-14 as well.
        self._control.sort(key=lambda entry: entry[0])
        payload = b"".join(self._subscriptions)
        if self._control:
            payload += encode_field(b"\x1a", b"".join(entry for _, entry in self._control))
        self.frames.append(encode_frame(payload + self._rest))
        self._start()

    def _take(self, size: int) -> None:
        """Count ``size`` bytes that come now, in another frame where they don't fit into this one."""
        if self._size + size > MAX_CONTROL:
            self.close()
        self._size += size

    def add_subscription(self, encoded: bytes) -> None:
        self._take(len(encoded))
        self._subscriptions.append(encoded)

    def add_test_message(self) -> None:
        self._take(len(_TEST_MESSAGE))
        self._rest = _TEST_MESSAGE

    def add(self, number: int, body: bytes) -> None:
        """Add one entry of a control part, field ``number`` of it."""
        entry = encode_field(_TAGS[number], body)
        self._take(len(entry))
        self._control.append((number, entry))

    def add_ids(self, number: int, ids: Sequence[bytes], head: bytes = b"", most: int = 0) -> None:
        """Add entries with ids, each behind ``head``; at most ``most`` ids a frame, if that is not 0."""
        tag = _TAGS[2 if number == _IHAVE else 1]
        body, count = [head], 0
        room = MAX_CONTROL - self._size - _HEAD - len(head)
        for each in ids:
            encoded = encode_field(tag, each)
            if room < len(encoded) or count == most > 0:
                if count:
                    self.add(number, b"".join(body))
                self.close()
                body, count = [head], 0
                room = MAX_CONTROL - self._size - _HEAD - len(head)
            body.append(encoded)
            room -= len(encoded)
            count += 1
        if count:
            self.add(number, b"".join(body))
