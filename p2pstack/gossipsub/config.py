"""The parameters of the mesh and the limits of the router, each with the reason it exists (specs/gossipsub.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

from p2pstack.errors import ConfigError

__all__ = ["GossipsubConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipsubConfig:
    """What one router does and allows (GS10-16). Sizes are bytes, times seconds."""

    d: int = 6
    """Peers that a mesh is filled up to."""

    d_low: int = 5
    """Fewer peers than this in a mesh are topped up at the heartbeat."""

    d_high: int = 12
    """With this many peers a mesh takes no further inbound ones, and with more it is cut back to ``d``."""

    d_score: int = 4
    """Peers with the best scores that a cut spares. Against sybils that take a mesh over by their number (GS11-11)."""

    d_out: int = 2
    """Peers that we dialled ourselves which a mesh keeps. Against sybils that dial us (GS11-10)."""

    d_lazy: int = 6
    """Peers outside of the mesh that a heartbeat's gossip goes to, at least ..."""

    gossip_factor: float = 0.25
    """... or this share of them, where it is more (GS11-09)."""

    heartbeat_interval: float = 1.0
    """Between two heartbeats."""

    heartbeat_delay: float = 0.1
    """Before the first one, as in go."""

    fanout_ttl: float = 60.0
    """For which the peers that our messages to a topic go to are kept, while we are not subscribed (GS10-22)."""

    history_length: int = 5
    """Heartbeats for which a message can be asked for by IWANT."""

    history_gossip: int = 3
    """Heartbeats for which a message is told of by IHAVE."""

    max_cache: int = 64 * 1024 * 1024
    """Bytes of messages that are kept for IWANT; beyond, the oldest go first. Against floods of large messages."""

    seen_ttl: float = 120.0
    """For which a message id is known as seen, as in go and js (GS10-12)."""

    max_seen: int = 262_144
    """Ids that are known as seen; beyond, the oldest go first. Against floods of small messages."""

    max_checking: int = 8_192
    """Messages that wait for their verdict; further ones are dropped, and no peer is blamed (GS10-26)."""

    flood_publish: bool = True
    """Own messages go to every peer of the topic, not to the mesh alone. Against eclipses (GS11-08)."""

    prune_backoff: float = 60.0
    """For which peers leave each other alone after a PRUNE (GS11-02)."""

    unsubscribe_backoff: float = 10.0
    """The same, where the PRUNE comes because we leave the topic."""

    max_backoff: float = 3_600.0
    """The longest back-off that a peer can impose on us. Against values that overflow (GS11-02)."""

    max_backoffs: int = 65_536
    """Back-offs that are remembered; beyond, the one that ends first is forgotten."""

    graft_flood_threshold: float = 10.0
    """A GRAFT so soon after the PRUNE costs its sender twice (GS11-04)."""

    graft_grace: float = 1.0
    """A peer's first GRAFT so soon after our PRUNE has crossed it on the way: refused, but no fault."""

    peer_exchange: bool = False
    """Whether a PRUNE of ours names other peers of the topic; what others name is taken by score alone (GS11-06)."""

    prune_peers: int = 16
    """Peers that a PRUNE names, and that are taken of one (GS11-06, GS11-07)."""

    max_exchanged: int = 128
    """Peers from PRUNEs that wait to be dialled, and that are read of one peer in a heartbeat; further ones are dropped
    (GS11-07). Each may bring a record with a signature to verify."""

    opportunistic_graft_ticks: int = 60
    """Heartbeats between two looks at the median score of a mesh (GS11-13)."""

    opportunistic_graft_peers: int = 2
    """Peers that are then grafted."""

    gossip_retransmission: int = 3
    """Times that a peer gets the same message by IWANT (GS11-15)."""

    max_ihave_length: int = 5_000
    """Ids in an IHAVE of ours, and ids asked of one peer in a heartbeat. Against IHAVE floods (GS11-14)."""

    max_ihave_messages: int = 10
    """RPCs with IHAVE that are read of one peer in a heartbeat (GS11-14)."""

    max_iwant_length: int = 5_000
    """Ids that one peer may ask for in a heartbeat; the rest is ignored. Against IWANT floods."""

    iwant_followup: float = 3.0
    """Within which a message that was asked for has to come (GS11-16)."""

    max_promises: int = 16_384
    """Messages asked for that are watched at once; further ones are asked for unwatched."""

    idontwant_threshold: int = 1_024
    """Bytes of data from which on the mesh is told not to send a message a second time (GS12-02)."""

    max_idontwant_messages: int = 1_000
    """RPCs with IDONTWANT that are read of one peer in a heartbeat (GS12-04)."""

    max_idontwant_length: int = 512
    """Ids that are read of one RPC with IDONTWANT, as in js (GS12-04)."""

    max_idontwant_ids: int = 1_024
    """Ids of messages that one peer does not want; beyond, the oldest are forgotten (GS12-04)."""

    idontwant_ttl: int = 3
    """Heartbeats for which such an id is kept (GS12-04)."""

    direct_connect_ticks: int = 300
    """Heartbeats between two looks at whether the direct peers are connected (GS11-01)."""

    direct_connect_delay: float = 1.0
    """Before the first look."""

    max_rpc: int = 1_048_576
    """The longest RPC that is read, without its length, and the longest message that is sent; as in go (GS10-03)."""

    max_control: int = 524_288
    """Bytes of one RPC beside its messages. As in go: lists of empty entries grow in memory (GS10-30)."""

    max_rpc_messages: int = 5_000
    """Messages in one RPC, as in rust; with more the RPC is refused (GS10-30)."""

    max_rpc_subscriptions: int = 5_000
    """Subscriptions that are read of one RPC, as in js; the rest is ignored (GS10-15)."""

    max_rpc_entries: int = 5_000
    """GRAFTs and PRUNEs each, IHAVEs and IWANTs each, that are read of one RPC; the rest is ignored."""

    max_topics_per_peer: int = 5_000
    """Topics that a peer can be subscribed to; further ones are ignored (GS10-15)."""

    max_topic_size: int = 1_024
    """Bytes of a topic's name; what names a longer one is ignored."""

    max_id_size: int = 256
    """Bytes of a message id; longer ones are ignored. Against memory held by ids (GS12-04)."""

    test_extension: bool = False
    """Whether to tell that the test extension is understood, which does nothing (GS13-03)."""

    max_fanout: int = 1_024
    """Topics that we publish to without being subscribed; the one that was used longest ago is forgotten."""

    def __post_init__(self) -> None:
        """Refuse values that can't work (GS10-16)."""
        self._check_numbers()
        self._check_degrees()
        if self.history_gossip > self.history_length:
            raise ConfigError("history_gossip must not be more than history_length")

    def _check_numbers(self) -> None:
        may_be_zero = {
            "d", "d_low", "d_high", "d_score", "d_out", "d_lazy", "gossip_factor", "heartbeat_delay",
            "history_gossip", "prune_peers", "graft_flood_threshold", "graft_grace", "gossip_retransmission",
            "direct_connect_delay", "opportunistic_graft_peers",
        }  # fmt: skip
        for each in fields(self):
            value = getattr(self, each.name)
            if not isfinite(value) or value < 0:
                raise ConfigError(f"{each.name} must be finite and not negative")
            if value == 0 and each.name not in may_be_zero and not isinstance(value, bool):
                raise ConfigError(f"{each.name} must be positive")
        if self.gossip_factor > 1:
            raise ConfigError("gossip_factor must be from 0 to 1")

    def _check_degrees(self) -> None:
        """A bootstrapper's mesh may have no peer at all; any other has to be able to keep its bounds."""
        if self.d == self.d_low == self.d_high == self.d_out == 0:
            return
        if not self.d_low <= self.d <= self.d_high:
            raise ConfigError("d must be from d_low to d_high")
        if self.d_score > self.d_high:
            raise ConfigError("d_score must not be more than d_high")
        if self.d_out and (self.d_out >= self.d_low or self.d_out * 2 > self.d):
            raise ConfigError("d_out must be less than d_low and at most half of d")
