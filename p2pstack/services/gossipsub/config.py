"""What a host's pubsub does and allows beside the router (specs/gossipsub.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.gater import GaterConfig
from p2pstack.gossipsub.ids import MessageId, default_id, sha256_id
from p2pstack.gossipsub.score.config import ScoreConfig
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.gossipsub.values import Message, Rpc
from p2pstack.host.host import Target
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId

__all__ = ["PubsubConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PubsubConfig:
    """The configuration of :class:`p2pstack.Gossipsub`. Sizes are bytes, times seconds."""

    router: GossipsubConfig = field(default_factory=GossipsubConfig)
    """The mesh, gossip, and what one RPC may hold."""

    score: ScoreConfig | None = None
    """How peers are scored; None: not at all, as in go. Against peers that send rubbish or nothing (GS11-30)."""

    gater: GaterConfig | None = None
    """When messages of some peers are not even verified; None: never. Against floods of rubbish (GS11-19)."""

    policy: SigningPolicy = SigningPolicy.STRICT_SIGN
    """What messages have to be signed (GS10-10)."""

    author: bool | PrivateKey | None = None
    """Who our messages are from. True: the host, and signed; a key: its peer, and signed; False: nobody, unsigned.
    None: nobody where the policy forbids signatures, else the host."""

    message_id: MessageId | None = None
    """How messages are told apart, the same in the whole network (GS10-06). None: by author and sequence number, as in
    go; those that have neither by the SHA-256 of their data, as in js."""

    direct: Sequence[Target] = ()
    """Peers that are always sent everything, and kept connected (GS11-01): their addresses, with ``/p2p`` at the end;
    an id alone where the peerstore has the addresses."""

    on_rpc: Callable[[PeerId, Rpc], None] | None = None
    """Called with each RPC that a peer sends, duplicates and all, before anything is done with it: to measure or to
    trace. It has to be quick, and must not change the RPC."""

    publish_timeout: float = 5.0
    """How long publish() waits for peers, and for room in their queues, unless the caller says otherwise."""

    publish_burst: int = 32
    """Messages published without a wait after which other tasks get their turn."""

    publish_mark: int = 262_144
    """Bytes queued for a peer, behind those that its stream holds, at which publish() waits."""

    max_queue: int = 4 * 1024 * 1024
    """Bytes of messages queued for a peer; further ones are dropped for it alone. Against peers that read slowly."""

    max_control_queue: int = 524_288
    """Bytes of control messages queued for a peer; beyond, its stream is reset, and a new one begins with what counts.
    Against peers that read nothing but make us answer."""

    write_timeout: float = 30.0
    """How long a peer may take nothing from its stream before it is reset, as in go (GS10-25)."""

    open_timeout: float = 15.0
    """For agreeing on the protocol of a stream."""

    max_streams_in_a_row: int = 4
    """Streams that are opened to a peer that ends each of them. Rust speaks no pubsub any more on a connection with a
    fifth, go gives up after as many (GS10-28)."""

    reopen_delay: float = 0.1
    """Before the second of them is replaced; twice as long each time. The first is replaced at once, as in go."""

    reopen_memory: float = 600.0
    """A stream that has lived this long begins a new row, as in go."""

    renewal_interval: float = 10.0
    """Between two times that a peer is told our subscriptions anew because it opened a new stream to us, once it was
    ``max_streams_in_a_row`` times. Against peers that make us say much by opening streams."""

    verify_threads: int = 2
    """Threads that help the event loop to verify signatures; 0: none. libsodium lets Python go on meanwhile."""

    verify_inline: int = 4
    """Up to so many messages of one read are verified at once, without a thread: it takes a thread longer to wake."""

    verify_batch: int = 8
    """Messages that a thread, or the loop between two turns of others, verifies in a row. The loop waits for
    what a thread has begun, so a long batch holds the messages behind it up."""

    max_validations: int = 8_192
    """Messages that async validators look at, at once; further ones are dropped, and no peer is blamed (GS10-26)."""

    max_topic_validations: int = 1_024
    """The same for one topic, unless validate() says otherwise (GS10-26)."""

    validation_timeout: float | None = 30.0
    """For one async validation, unless validate() says otherwise; then the message is ignored. None: no limit."""

    exchange_dials: int = 8
    """Peers named by others that are dialled at once (GS11-07)."""

    exchange_timeout: float = 30.0
    """For one such dial (GS11-07)."""

    close_timeout: float = 1.0
    """How long stopping waits until peers have taken what is queued for them."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        positive = (
            "publish_timeout", "publish_burst", "publish_mark", "max_control_queue", "write_timeout", "open_timeout",
            "max_streams_in_a_row", "reopen_delay", "reopen_memory", "renewal_interval", "verify_inline",
            "verify_batch", "max_validations", "max_topic_validations", "exchange_dials", "exchange_timeout",
        )  # fmt: skip
        for name in positive:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive")
        if self.verify_threads < 0 or self.close_timeout < 0:
            raise ConfigError("verify_threads and close_timeout must not be negative")
        if self.validation_timeout is not None and not self.validation_timeout > 0:
            raise ConfigError("validation_timeout must be positive, or None")
        if self.max_queue < self.router.max_rpc or self.max_queue < self.publish_mark:
            raise ConfigError("max_queue must hold the longest RPC, and not be below publish_mark")
        self._check_author()

    def _check_author(self) -> None:
        if self.policy is SigningPolicy.STRICT_SIGN and self.author is False:
            raise ConfigError("author must not be False: the policy asks for signatures")
        if self.policy is SigningPolicy.STRICT_NO_SIGN and self.author not in {None, False}:
            raise ConfigError("author must be False: the policy forbids signatures")
        if not self.signs and self.message_id is default_id:
            raise ConfigError("message_id must look at the data: our messages have no author and no number")

    @property
    def id_of(self) -> MessageId:
        """What makes the id of a message."""
        if self.message_id is not None:
            return self.message_id
        return default_id if self.policy is SigningPolicy.STRICT_SIGN else _any_id

    @property
    def signs(self) -> bool:
        """Whether our messages have an author and a signature."""
        if self.author is None:
            return self.policy is not SigningPolicy.STRICT_NO_SIGN
        return self.author is not False


def _any_id(message: Message) -> bytes:
    return default_id(message) or sha256_id(message)
