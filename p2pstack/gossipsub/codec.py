"""RPCs to values and back (GS10-02, GS10-20, GS10-30; specs/gossipsub.md). Hot path: one message an RPC is the rule.

A message keeps the bytes that it is signed over and forwarded as, unknown fields included, so that whoever reads it
next finds what the author signed (GS10-08). What some implementation would choke on, and then reset the stream of the
peer that passed it on, is marked as not ``portable``. It is no error: another implementation may have passed it on to
us in good faith, and one strange message could part us from all honest peers.
"""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.errors import DecodeError
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.encoding import encode_message
from p2pstack.gossipsub.packing import encode_rpc
from p2pstack.gossipsub.scan import all_can_read, check_counts
from p2pstack.gossipsub.values import Extensions, IHave, Message, PeerInfo, Prune, Rpc, Subscription
from p2pstack.wire import protobuf, uvarint
from p2pstack.wire.pb import pubsub_pb2

__all__ = ["decode_rpc", "encode_message", "encode_rpc"]


def decode_rpc(data: bytes, config: GossipsubConfig) -> Rpc:
    """Read one RPC, without its length.

    Ignored are: what names a topic longer than ``max_topic_size``; ids that are empty or longer than ``max_id_size``;
    subscriptions, control entries of each kind and exchanged peers above their limits; messages and IHAVEs with nothing
    in them; unknown fields outside of messages.

    Raises:
        DecodeError: it does not parse (GEN-07), has more messages or more bytes outside of them than ``config`` allows
            (GS10-30), or is longer than ``max_rpc`` (GS10-03).
    """
    if len(data) > config.max_rpc:
        raise DecodeError(f"an RPC is longer than {config.max_rpc} bytes", requirement="GS10-03")
    check_counts(data, config)
    raw = protobuf.parse(pubsub_pb2.PubsubRpc, data)
    longest = config.max_topic_size
    publish = [
        _message(each, config) for each in raw.publish if len(each.topic) <= longest and (each.topic or each.ByteSize())
    ]
    rpc = Rpc(publish=publish, test_extension=raw.HasField("test_extension"))
    if raw.subscriptions:
        rpc.subscriptions = [
            Subscription(each.subscribe, _text(each.topic))
            for each in raw.subscriptions[: config.max_rpc_subscriptions]
            if len(each.topic) <= longest
        ]
    if raw.HasField("control"):
        _read_control(raw.control, rpc, config)
    return rpc


def _text(topic: bytes) -> str:
    return topic.decode("utf-8", "surrogateescape")


def _message(raw: pubsub_pb2.PubsubMessage, config: GossipsubConfig) -> Message:
    encoded = raw.SerializeToString()
    raw.DiscardUnknownFields()
    known = raw.ByteSize()
    data = raw.data
    # Go counts what is not data against its limit for control parts (GS10-30).
    portable = len(encoded) - len(data) <= config.max_control // 2
    if known != len(encoded):
        portable = portable and all_can_read(encoded, known)
    has = raw.HasField
    return Message(
        data,
        raw.topic.decode("utf-8", "surrogateescape"),
        raw.source if has("source") else None,
        raw.seqno if has("seqno") else None,
        raw.signature if has("signature") else None,
        raw.key if has("key") else None,
        encoded,
        portable,
    )


def _read_control(raw: pubsub_pb2.Control, rpc: Rpc, config: GossipsubConfig) -> None:
    """Add what the control part holds; several parts in one RPC are one to the parser."""
    count, longest, max_id = config.max_rpc_entries, config.max_topic_size, config.max_id_size

    def wanted(ids: Iterable[bytes]) -> list[bytes]:
        return [each for each in ids if 0 < len(each) <= max_id]

    rpc.has_control = True
    for have in raw.ihave[:count]:
        if len(have.topic) <= longest and (ids := wanted(have.ids)):
            rpc.ihave.append(IHave(_text(have.topic), ids))
    for want in raw.iwant[:count]:
        rpc.iwant += wanted(want.ids)
    rpc.graft = [_text(each.topic) for each in raw.graft[:count] if len(each.topic) <= longest]
    left = count
    for prune in raw.prune[:count]:
        if len(prune.topic) <= longest:
            # Clamped to what a varint of ours can be; it is more than anybody lives.
            backoff = min(prune.backoff, uvarint.MAX_VALUE) if prune.HasField("backoff") else None
            peers = [
                PeerInfo(each.peer, each.record if each.HasField("record") else None) for each in prune.peers[:left]
            ]
            left -= len(peers)
            rpc.prune.append(Prune(_text(prune.topic), peers, backoff))
    for unwanted in raw.idontwant[:count]:
        rpc.idontwant += wanted(unwanted.ids)
    if raw.HasField("extensions"):
        rpc.extensions = Extensions(test=raw.extensions.test)
