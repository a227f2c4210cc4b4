"""RPCs of pubsub: hostile bytes to values, and those to frames again."""

from __future__ import annotations

from dataclasses import replace

from fuzz.source import Source
from p2pstack.errors import DecodeError
from p2pstack.gossipsub import ids, signing
from p2pstack.gossipsub.codec import decode_rpc, encode_rpc
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.packing import MAX_CONTROL
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.gossipsub.values import Message, Rpc
from p2pstack.wire import protobuf
from p2pstack.wire.framing import FrameReader
from p2pstack.wire.pb.pubsub_pb2 import PubsubMessage

_WIDE = GossipsubConfig()
_NARROW = GossipsubConfig(
    max_rpc=400,
    max_control=60,
    max_rpc_messages=3,
    max_rpc_subscriptions=2,
    max_rpc_entries=2,
    max_topic_size=4,
    max_id_size=12,
)


def rpc(data: bytes) -> None:
    """What decodes is within the limits, and re-encodes to what decodes to the same."""
    config = (_WIDE, _NARROW)[Source(data).byte() % 2]
    try:
        found = decode_rpc(data[1:], config)
    except DecodeError:
        return
    _check_limits(found, config)
    frames = [body for frame in encode_rpc(found) for body in FrameReader(_WIDE.max_rpc).receive_data(frame)]
    again = Rpc()
    for body in frames:
        part = decode_rpc(body, _WIDE)
        assert part.publish or len(body) <= MAX_CONTROL
        _add(part, again)
    # The PRUNEs of topics that are left come first.
    left = {each.topic for each in found.subscriptions if not each.subscribe}
    prunes = sorted(found.prune, key=lambda prune: prune.topic not in left)
    assert again == replace(found, prune=prunes, has_control=again.has_control)
    assert found.is_empty == (not frames)
    for message in found.publish:
        _check_message(message)


def _add(part: Rpc, whole: Rpc) -> None:
    """Put together what was cut into frames; inputs are too short for more than a list of ids to be cut."""
    for name in ("subscriptions", "publish", "ihave", "iwant", "graft", "prune", "idontwant"):
        getattr(whole, name).extend(getattr(part, name))
    whole.extensions = whole.extensions or part.extensions
    whole.test_extension |= part.test_extension


def _check_limits(found: Rpc, config: GossipsubConfig) -> None:
    assert len(found.subscriptions) <= config.max_rpc_subscriptions
    for entries in (found.ihave, found.graft, found.prune, [peer for each in found.prune for peer in each.peers]):
        assert len(entries) <= config.max_rpc_entries
    topics = [*found.graft, *(each.topic for each in (*found.subscriptions, *found.ihave, *found.prune))]
    for topic in (*topics, *(each.topic for each in found.publish)):
        assert len(topic.encode("utf-8", "surrogateescape")) <= config.max_topic_size
    for each in (*found.iwant, *found.idontwant, *(name for have in found.ihave for name in have.ids)):
        assert 0 < len(each) <= config.max_id_size


def _check_message(message: Message) -> None:
    """It is what the protobuf runtime makes of it, and can be asked anything."""
    for make in (ids.default_id, ids.rust_id, ids.sha256_id, ids.data_prefix_id(4)):
        assert isinstance(make(message), bytes)
    for policy in SigningPolicy:
        signing.check_fields(message, policy)
    raw = protobuf.parse(PubsubMessage, message.encoded)
    assert protobuf.serialize(raw) == message.encoded
    job = signing.signature_job(message)
    if not isinstance(job, str):
        raw.ClearField("signature")
        raw.ClearField("key")
        assert job[1] == signing.PREFIX + protobuf.serialize(raw)
        signing.verify_jobs([job])
