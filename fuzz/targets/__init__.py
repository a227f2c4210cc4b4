"""The targets by name. Each is a function of bytes that raises when something is wrong, and returns otherwise."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.targets import (
    autonat,
    connections,
    dcutr,
    gateways,
    gossip_router,
    harness,
    identities,
    kad,
    lan,
    negotiations,
    pubsub,
    relaying,
    rendezvous,
    secrecy,
    services,
    shinkai,
    shinkai_message,
    shinkai_relay,
    streams,
    wire,
)

__all__ = ["TARGETS", "Target"]

Target = Callable[[bytes], None]

TARGETS: dict[str, Target] = {
    "uvarint": wire.uvarints,
    "framing": wire.frames,
    "multistream-initiator": negotiations.initiator,
    "multistream-responder": negotiations.responder,
    "noise-handshake": secrecy.handshake,
    "noise-transport": secrecy.transport,
    "yamux-session": streams.session,
    "yamux-stream-pair": streams.stream_pair,
    "connection-client": connections.client,
    "connection-server": connections.server,
    "peer-id": identities.peer_id,
    "keys": identities.keys,
    "multiaddr": identities.multiaddr,
    "envelope": identities.envelope,
    "peer-record": identities.peer_record,
    "identify": services.identify,
    "autonat-v1": autonat.version_1,
    "autonat-v2": autonat.version_2,
    "autonat-reachability": autonat.reachability,
    "dcutr": dcutr.exchange,
    "gateway-answer": gateways.answer,
    "resp": harness.resp,
    "pubsub-rpc": pubsub.rpc,
    "gossipsub-router": gossip_router.router,
    "kad-message": kad.message,
    "kad-query": kad.query,
    "mdns-packet": lan.packets,
    "relay-hop": relaying.hop,
    "relay-stop": relaying.stop,
    "rendezvous-message": rendezvous.message,
    "rendezvous-point": rendezvous.point,
    "shinkai-frame": shinkai.frame,
    "shinkai-message": shinkai_message.message,
    "shinkai-cipher": shinkai.cipher,
    "shinkai-name": shinkai.name,
    "shinkai-relay": shinkai_relay.relay,
}
