"""The targets by name. Each is a function of bytes that raises when something is wrong, and returns otherwise."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.targets import (
    connections,
    gossip_router,
    identities,
    negotiations,
    pubsub,
    secrecy,
    services,
    shinkai,
    shinkai_message,
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
    "pubsub-rpc": pubsub.rpc,
    "gossipsub-router": gossip_router.router,
    "shinkai-frame": shinkai.frame,
    "shinkai-message": shinkai_message.message,
    "shinkai-cipher": shinkai.cipher,
    "shinkai-name": shinkai.name,
}
