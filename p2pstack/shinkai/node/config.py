"""The limits and times of a node (specs/shinkai.md). Times are seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pstack.errors import ConfigError
from p2pstack.shinkai.checks import require_positive
from p2pstack.shinkai.frames import FrameConfig
from p2pstack.shinkai.limits.config import BandwidthConfig, ConnectionRateConfig
from p2pstack.shinkai.network.config import HandlerConfig, ManagerConfig
from p2pstack.shinkai.storage.config import JobConfig, RetryConfig
from p2pstack.storage.config import StorageConfig

__all__ = ["InboxConfig", "NodeConfig", "SendConfig", "TcpConfig"]

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpConfig:
    """Messages over plain TCP (SHK-84 to SHK-87)."""

    enabled: bool = True
    """Send and take messages this way. Without, the port is libp2p's alone."""

    frames: FrameConfig = field(default_factory=FrameConfig)
    """How long frames may be."""

    rate: ConnectionRateConfig = field(default_factory=ConnectionRateConfig)
    """Connections of one address. Against floods of them."""

    max_connections: int = 512
    """Connections that bring frames, or nothing yet. Against floods from many addresses."""

    max_silent: int = 32
    """Connections of one address that have sent nothing yet. Against those who only hold sockets."""

    first_byte_timeout: float = 10.0
    """How long a connection may say nothing. Against the same."""

    frame_timeout: float = 30.0
    """From a connection's first byte to the end of its last frame. Against senders of a byte a minute."""

    max_frames: int = 64
    """Frames on one connection; the original takes one. Against a connection that keeps us busy for ever."""

    connect_timeout: float = 4.0
    """For connecting, as in the original. Against addresses that swallow packets."""

    write_timeout: float = 10.0
    """For handing a frame to the system. Against a peer that does not read."""

    linger: float = 2.0
    """How long a connection is held for the other side to close it, or to refuse the message. Originals take their
    time."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self,
            "max_connections",
            "max_silent",
            "first_byte_timeout",
            "frame_timeout",
            "max_frames",
            "connect_timeout",
            "write_timeout",
            "linger",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SendConfig:
    """How messages are sent (SHK-80 to SHK-83)."""

    encrypt: bool = True
    """Encrypt bodies that come in the open for the recipient's node, as the original does with those of its users."""

    lookup_timeout: float = 10.0
    """For asking the directory. Against one that does not answer."""

    libp2p_timeout: float = 10.0
    """For a message by libp2p, dial and answer included; then TCP is tried."""

    ack_timeout: float = 5.0
    """How long ``send`` waits for an acknowledgement that comes as a message of its own. It still counts later."""

    max_waiting: int = 10_000
    """Messages that wait for such an acknowledgement and are remembered in memory. Against peers that send none."""

    max_sending: int = 1_000
    """Sends at the same time; further ones wait. Against a program that sends without end."""

    retry_batch: int = 64
    """Messages that are taken from the queue at once."""

    retry_peers: int = 16
    """Recipients to whom queued messages are tried at the same time."""

    bandwidth: BandwidthConfig = field(default_factory=BandwidthConfig)
    """Bytes to one peer by TCP; libp2p has its own in the manager."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self, "lookup_timeout", "libp2p_timeout", "ack_timeout", "max_waiting", "max_sending", "retry_batch"
        )
        require_positive(self, "retry_peers")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxConfig:
    """What is kept of messages (SHK-93 to SHK-95)."""

    max_untaken: int = 100_000
    """Messages that no one has taken; beyond, further ones are not accepted, and their senders keep them. Against
    strangers who fill the disk of a node whose program is not running."""

    max_kept: int = 100_000
    """Messages that were taken or sent and are kept as history; the oldest goes first."""

    max_kept_bytes: int = 256 * 1024 * 1024
    """What those hold together."""

    prefetch: int = 64
    """Messages that a reader is given from the file at once."""

    handler_attempts: int = 5
    """After as many failures of a handler its message is put aside."""

    handler_backoff: float = 1.0
    """Seconds until a message whose handler failed is given to it again; doubled each time."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self, "max_untaken", "max_kept", "max_kept_bytes", "prefetch", "handler_attempts", "handler_backoff"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """The configuration of :class:`p2pstack.shinkai.node.ShinkaiNode`."""

    libp2p: bool = True
    """Start libp2p. Without, messages go by TCP alone."""

    seed_listen: str | None = None
    """Where the SEED half of profile BOTH listens, ``host:port`` or a multiaddr. None: the port after the
    node's, or a free one if that is to have a free one."""

    libp2p_start_timeout: float = 10.0
    """For starting libp2p; a node without it goes on. Against a system that can't listen."""

    job_workers: int = 8
    """Senders whose messages are worked on at the same time; those of one are worked on in order. Against a directory
    that is slow for one of them."""

    job_batch: int = 16
    """Jobs that are taken from the queue at once."""

    close_timeout: float = 10.0
    """For what is going on when the node is closed; what is not done then is done after the next start."""

    storage: StorageConfig = field(default_factory=StorageConfig)
    """The node's file."""

    retry: RetryConfig = field(default_factory=RetryConfig)
    """Messages on their way out."""

    jobs: JobConfig = field(default_factory=lambda: JobConfig(replay_window=4 * _DAY))
    """Messages that came in. They are known again for longer than a sender tries to deliver them."""

    inbox: InboxConfig = field(default_factory=InboxConfig)
    """Messages for the program."""

    send: SendConfig = field(default_factory=SendConfig)
    """How messages are sent."""

    tcp: TcpConfig = field(default_factory=TcpConfig)
    """Plain TCP."""

    manager: ManagerConfig = field(default_factory=ManagerConfig)
    """libp2p."""

    handler: HandlerConfig = field(default_factory=HandlerConfig)
    """What is taken of peers, whatever the way."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self,
            "libp2p_start_timeout",
            "job_workers",
            "job_batch",
            "close_timeout",
        )
        if not self.libp2p and not self.tcp.enabled:
            raise ConfigError("a node without libp2p and TCP reaches nobody")
