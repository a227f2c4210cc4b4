"""The two eras of Shinkai nodes, and what each of them makes of a libp2p host (SHK-70; specs/shinkai.md)."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.ids import rust_id
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.host.config import DialConfig, HostConfig
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.shinkai.keys import NodeKeys, key_of_name
from p2pstack.shinkai.names import ShinkaiName, is_valid

__all__ = ["MAX_GOSSIP_RPC", "MESSAGE_PROTOCOL", "PROTOCOL_VERSION", "Profile", "identity_of_agent"]

PROTOCOL_VERSION = "/shinkai/1.0.0"
"""What identify tells about the network, in both eras."""

MESSAGE_PROTOCOL = "/shinkai/message/1.0.0"
"""head: one request, one answer."""

MAX_GOSSIP_RPC = 262_144
"""seed: bytes of the longest RPC, and so nearly of the longest message, that the original takes."""

_AGENT = "shinkai-node-"


class Profile(Enum):
    """How a node takes part in the network."""

    SEED = "seed"
    """May and June 2025: gossip, and a peer id that follows from the name."""

    HEAD = "head"
    """Since June 2025: requests, and a peer id that is the node's signature key."""

    BOTH = "both"
    """Both at once: one manager, and one host, for each."""

    @property
    def single(self) -> tuple[Profile, ...]:
        """The profiles of the managers that this takes, HEAD first."""
        return (Profile.HEAD, Profile.SEED) if self is Profile.BOTH else (self,)

    def key(self, name: ShinkaiName, keys: NodeKeys) -> PrivateKey:
        """Return the host's key: the node's signature key (head), or that of its name, which is no secret (seed)."""
        return key_of_name(name) if self is Profile.SEED else keys.signature

    def agent(self, name: ShinkaiName) -> str:
        """Return what identify tells about the program.

        Originals of the seed era said ``rust-libp2p/0.44.2``. Ours tells its name there as well: that is how a sender
        knows that an ACK is to be waited for.
        """
        return f"{_AGENT}{name.node_name}" if self is Profile.HEAD else f"p2pstack/{_AGENT}{name.node_name}"

    def host_config(self, name: ShinkaiName, config: HostConfig) -> HostConfig:
        """Return ``config`` with what identify tells, and with a dial back-off that redialling fits into."""
        dial: DialConfig = replace(config.dial, backoff_max=min(config.dial.backoff_max, 20.0))
        return replace(config, agent_version=self.agent(name), protocol_version=PROTOCOL_VERSION, dial=dial)


def identity_of_agent(agent: str) -> str:
    """Return the name of the node that a peer's agent claims to be, or an empty text.

    A relay, ``shinkai-relayer/@@relay.sep-shinkai/1.1.20``, has one as well.
    """
    start = agent.find("@@")
    name = agent[start:].partition("/")[0]
    return name.lower() if start >= 0 and "shinkai" in agent[:start] and is_valid(name) else ""


def seed_pubsub() -> PubsubConfig:
    """Return the pubsub of the seed era: the parameters of acfb3cbcd, where they differ from rust's defaults."""
    router = GossipsubConfig(
        d=3,
        d_low=1,
        d_high=5,
        d_out=0,
        d_lazy=3,
        seen_ttl=60.0,
        max_rpc=MAX_GOSSIP_RPC,
        max_control=MAX_GOSSIP_RPC,
    )
    return PubsubConfig(router=router, policy=SigningPolicy.PERMISSIVE, message_id=rust_id)
