"""From the first byte to a secure, multiplexed connection: multistream, Noise, multistream (MSS-09). Pure.

The initiator puts header, ``/noise`` and the first Noise message into its first flush, since nothing else can follow,
and begins with yamux right behind its third message: an upgrade costs one round trip to a peer that names its muxers
in the handshake (NOISE-20), and no more to one that doesn't, whose answer is checked when it comes.
"""

from __future__ import annotations

from enum import Enum

from p2pstack.connection.config import NOISE_PROTOCOL, YAMUX_PROTOCOL, ConnectionConfig
from p2pstack.errors import NegotiationError
from p2pstack.identity.peer_id import PeerId
from p2pstack.multistream.initiator import Initiator
from p2pstack.multistream.responder import Responder
from p2pstack.noise.framed import FramedHandshake
from p2pstack.noise.handshake import Handshake
from p2pstack.noise.identity import NoiseIdentity, RemoteIdentity
from p2pstack.noise.transport import Transport
from p2pstack.noise.verified import VerifyCache

__all__ = ["Phase", "Upgrade"]


class Phase(Enum):
    """How far an upgrade has come."""

    SECURITY = "security"
    HANDSHAKE = "handshake"
    MUXER = "muxer"
    DONE = "done"


def _responder(protocol: str, config: ConnectionConfig) -> Responder:
    """Return a responder that agrees to one protocol only."""
    return Responder(lambda name: name == protocol, lambda: (protocol,), config=config.multistream)


class Upgrade:
    """One side of the upgrade.

    ``transport`` and ``remote`` are set with the end of the handshake. From then on the muxer may send
    (``may_send``); once ``phase`` is DONE it receives, first what stands in ``early``.
    """

    __slots__ = (
        "_config",
        "_handshake",
        "_muxer",
        "_outgoing",
        "_security",
        "early",
        "initiator",
        "phase",
        "remote",
        "transport",
    )

    def __init__(
        self,
        *,
        initiator: bool,
        identity: NoiseIdentity,
        ephemeral: tuple[bytes, bytes],
        expected_peer: PeerId | None,
        config: ConnectionConfig,
        verified: VerifyCache | None,
    ) -> None:
        self.initiator = initiator
        self.phase = Phase.SECURITY
        self.remote: RemoteIdentity | None = None
        self.transport: Transport | None = None
        self.early: list[bytes] = []
        self._config = config
        self._muxer: Initiator | Responder | None = None
        self._handshake = FramedHandshake(
            Handshake(
                initiator=initiator,
                local=identity,
                expected_peer=expected_peer,
                ephemeral=ephemeral,
                verified=verified,
                config=config.noise,
            )
        )
        if initiator:
            self._security: Initiator | Responder = Initiator([NOISE_PROTOCOL], lazy=True, config=config.multistream)
            self._outgoing = self._security.data_to_send() + self._handshake.data_to_send()
        else:
            self._security = _responder(NOISE_PROTOCOL, config)
            self._outgoing = self._security.data_to_send()

    @property
    def may_send(self) -> bool:
        """Whether muxer frames may be sent."""
        return self.phase is Phase.DONE or (self.phase is Phase.MUXER and self.initiator)

    def data_to_send(self) -> list[bytes]:
        """Return the bytes of the upgrade that are to be sent now."""
        outgoing = self._outgoing
        self._outgoing = []
        return outgoing

    def receive(self, view: memoryview, start: int, end: int) -> int:
        """Take ``view[start:end]`` as far as it completes something; return where the rest begins.

        Raises:
            RemoteError: the peer broke a rule of the layer at hand; the connection is to be closed.
        """
        if self.phase is Phase.SECURITY:
            self._security.receive_data(bytes(view[start:end]))
            self._outgoing += self._security.data_to_send()
            if not self._security.done:
                return end
            start = end - len(self._security.trailing)
            self._security.trailing = b""  # it stands in the view, and half-open connections should hold little
            self.phase = Phase.HANDSHAKE
        if self.phase is Phase.HANDSHAKE:
            start = self._handshake.receive_frames(view, start, end)
            self._outgoing += self._handshake.data_to_send()
            if not self._handshake.complete:
                return start
            self._secured()
        if self.phase is Phase.MUXER and self.transport is not None:
            start = self.transport.open_frames(view, start, end, self._receive_muxer)
        return start

    def receive_eof(self) -> None:
        """The transport has ended before the upgrade did.

        Raises:
            RemoteError: always; it says where.
        """
        if self.phase is Phase.SECURITY:
            self._security.receive_eof()
        elif self.phase is Phase.HANDSHAKE:
            self._handshake.receive_eof()
        raise NegotiationError(f"the connection ended during {self.phase.value}", requirement="MSS-13")

    def _secured(self) -> None:
        """The handshake is complete: begin with the muxer, or with its negotiation."""
        handshake = self._handshake.handshake
        self.remote = handshake.remote
        self.transport = self._handshake.transport()
        if handshake.muxer is not None:
            self.phase = Phase.DONE
            return
        self.phase = Phase.MUXER
        if self.initiator:
            self._muxer = Initiator([YAMUX_PROTOCOL], lazy=True, config=self._config.multistream)
        else:
            self._muxer = _responder(YAMUX_PROTOCOL, self._config)
        self._seal_muxer()

    def _receive_muxer(self, plaintext: bytes) -> None:
        """Take decrypted bytes while the muxer is being agreed on, and keep those behind the agreement."""
        if self.phase is Phase.DONE:
            self.early.append(plaintext)
            return
        muxer = self._muxer
        assert muxer is not None, "it is made when this phase begins"
        muxer.receive_data(plaintext)
        self._seal_muxer()
        if muxer.done:
            self.phase = Phase.DONE
            if muxer.trailing:
                self.early.append(muxer.trailing)

    def _seal_muxer(self) -> None:
        """Encrypt what the muxer's negotiation has to say."""
        assert self._muxer is not None, "it is made when this phase begins"
        assert self.transport is not None, "likewise"
        for data in self._muxer.data_to_send():
            self._outgoing += self.transport.seal_all(data)
