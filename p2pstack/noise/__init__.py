"""Noise as libp2p uses it, as pure machines: a handshake that proves peer ids, then sealed frames (specs/noise.md).

:class:`NoiseIdentity` and :class:`VerifyCache` are made once a host, :class:`Handshake` and :class:`Transport` once a
connection.
"""

from p2pstack.noise.config import NoiseConfig
from p2pstack.noise.framed import FramedHandshake
from p2pstack.noise.handshake import Handshake
from p2pstack.noise.identity import NoiseIdentity, RemoteIdentity
from p2pstack.noise.transport import MAX_FRAME, MAX_PLAINTEXT, CipherState, Transport
from p2pstack.noise.verified import VerifyCache

__all__ = [
    "MAX_FRAME",
    "MAX_PLAINTEXT",
    "CipherState",
    "FramedHandshake",
    "Handshake",
    "NoiseConfig",
    "NoiseIdentity",
    "RemoteIdentity",
    "Transport",
    "VerifyCache",
]
