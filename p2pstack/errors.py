"""Every exception of p2pstack, in one tree.

::

    P2PError
    ├── LocalError                  the caller's mistake: wrong argument, wrong state
    │   ├── ConfigError             a configuration value that can't work (ValueError)
    │   ├── HostClosed              the host was closed, or is not started
    │   └── RelayedOnly             a relay leads to the peer, and the caller has not said that this will do
    ├── DecodeError                 bytes or text that do not parse, whoever sent them (ValueError)
    │   └── Truncated               the bytes end before the value does
    ├── RemoteError                 the peer's fault: protocol, requirement id, wire code
    │   ├── NegotiationError        multistream-select
    │   │   └── ProtocolNotSupported
    │   ├── HandshakeError          Noise, before the connection is secure
    │   │   └── PeerIdMismatch      another peer answered than the one that was dialled
    │   ├── NoiseError              Noise, on a secure connection
    │   ├── YamuxError              the multiplexer
    │   └── ProtocolViolation       an application protocol: identify, ping, perf
    ├── StreamError                 a stream can't do what was asked
    │   ├── StreamReset             it was reset, by the peer or here; carries the code
    │   ├── StreamClosed            it was closed here, then used again
    │   ├── StreamEOF               it ended before the bytes that were asked for
    │   ├── StreamTimeout           it waited longer than its timeout (TimeoutError)
    │   └── ConnectionClosed        its connection ended; carries the reason (also raised without a stream)
    ├── DialError                   no address of a peer could be reached; carries every attempt
    ├── HolePunchError              no direct connection to a peer behind a relay came about; carries every reason
    ├── GatedError                  a connection gate refused the peer or the address
    ├── LimitExceeded               a named limit was met; carries name and value
    └── DeadlineExceeded            an operation ran out of its time (TimeoutError)

A machine's ``receive_data`` raises only subclasses of :class:`RemoteError`, after it has queued what the peer
should still be sent.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ConfigError",
    "ConnectionClosed",
    "DeadlineExceeded",
    "DecodeError",
    "DialError",
    "GatedError",
    "HandshakeError",
    "HolePunchError",
    "HostClosed",
    "LimitExceeded",
    "LocalError",
    "NegotiationError",
    "NoiseError",
    "P2PError",
    "PeerIdMismatch",
    "ProtocolNotSupported",
    "ProtocolViolation",
    "RelayedOnly",
    "RemoteError",
    "StreamClosed",
    "StreamEOF",
    "StreamError",
    "StreamReset",
    "StreamTimeout",
    "Truncated",
    "YamuxError",
]


class P2PError(Exception):
    """The root of all errors that p2pstack raises on purpose."""


class LocalError(P2PError):
    """The caller asked for something that can't be: a wrong argument or a wrong state."""


class ConfigError(LocalError, ValueError):
    """A configuration value is out of its range, or contradicts another one."""


class HostClosed(LocalError):
    """The host is not running: it was closed, or its ``async with`` has not begun."""


class RelayedOnly(LocalError):
    """There is only a relayed connection to the peer, short and narrow, which the caller did not ask for (RELAY-12)."""


class DecodeError(P2PError, ValueError):
    """Bytes or text that do not parse.

    ``requirement`` is the id of the rule that was broken, or an empty string.
    """

    def __init__(self, message: str, *, requirement: str = "") -> None:
        super().__init__(message)
        self.requirement = requirement


class Truncated(DecodeError):
    """The bytes end before the value does; more bytes could complete it."""


class RemoteError(P2PError):
    """The peer broke a rule.

    ``protocol`` names the layer, ``requirement`` the id of the rule, ``code`` the number that goes on the wire
    (a yamux GoAway or reset code; 0 where the protocol has none).
    """

    protocol = ""

    def __init__(self, message: str, *, requirement: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.requirement = requirement
        self.code = code

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.protocol}: {text}" if self.protocol else text


class NegotiationError(RemoteError):
    """The peer broke multistream-select, or no protocol could be agreed."""

    protocol = "multistream"


class ProtocolNotSupported(NegotiationError):
    """The peer speaks none of the offered protocols; ``offered`` lists them."""

    def __init__(self, offered: Sequence[str], *, requirement: str = "MSS-03") -> None:
        super().__init__("the peer supports none of: " + ", ".join(offered), requirement=requirement)
        self.offered = tuple(offered)


class HandshakeError(RemoteError):
    """The Noise handshake failed; nothing that came in it may be used."""

    protocol = "noise"


class PeerIdMismatch(HandshakeError):
    """Another peer answered than the one that was expected (NOISE-07)."""

    def __init__(self, expected: object, actual: object) -> None:
        super().__init__(f"expected peer {expected}, but {actual} answered", requirement="NOISE-07")
        self.expected = expected
        self.actual = actual


class NoiseError(RemoteError):
    """A transport frame did not authenticate, or breaks the framing."""

    protocol = "noise"


class YamuxError(RemoteError):
    """The peer broke the multiplexer's rules, or ended the session; ``code`` is the GoAway code."""

    protocol = "yamux"


class ProtocolViolation(RemoteError):
    """The peer broke the rules of an application protocol, named by ``protocol``."""

    def __init__(self, protocol: str, message: str, *, requirement: str = "", code: int = 0) -> None:
        super().__init__(message, requirement=requirement, code=code)
        self.protocol = protocol


class StreamError(P2PError):
    """A stream can't do what was asked of it."""


class StreamReset(StreamError):
    """The stream was reset: both directions are dead and unread data is gone.

    ``code`` is the reset code (0: none given); ``remote`` tells whether the peer did it.
    """

    def __init__(self, code: int = 0, *, remote: bool = True) -> None:
        who = "by the peer" if remote else "here"
        super().__init__(f"stream reset {who}" + (f" (code {code:#x})" if code else ""))
        self.code = code
        self.remote = remote


class StreamClosed(StreamError):
    """The stream was closed on this side before the call."""


class StreamEOF(StreamError, EOFError):
    """The peer closed its side before the bytes that were asked for came; ``partial`` holds what did."""

    def __init__(self, partial: bytes, expected: int) -> None:
        super().__init__(f"stream ended after {len(partial)} of {expected} bytes")
        self.partial = partial
        self.expected = expected


class StreamTimeout(StreamError, TimeoutError):
    """A read or a drain waited longer than the stream's timeout, in seconds."""


class ConnectionClosed(StreamError):
    """The connection ended; ``reason`` is the error that ended it, or None for an orderly close."""

    def __init__(self, message: str = "connection closed", *, reason: BaseException | None = None) -> None:
        super().__init__(f"{message}: {reason}" if reason is not None and str(reason) else message)
        self.reason = reason


class DialError(P2PError):
    """No address of a peer could be reached.

    ``attempts`` holds ``(address, error)`` for each that was tried, in the order of trying.
    """

    def __init__(self, peer: object, attempts: Sequence[tuple[str, BaseException]], reason: str = "") -> None:
        self.peer = peer
        self.attempts = tuple(attempts)
        parts = [f"{address}: {str(error) or type(error).__name__}" for address, error in self.attempts]
        if reason:
            parts.insert(0, reason)
        super().__init__(f"can't dial {peer}: " + ("; ".join(parts) or "no address is known"))


class HolePunchError(P2PError):
    """A relayed connection could not be replaced by a direct one.

    ``reasons`` holds an error for each thing that was tried, in the order of trying.
    """

    def __init__(self, peer: object, reasons: Sequence[BaseException]) -> None:
        self.peer = peer
        self.reasons = tuple(reasons)
        parts = [str(error) or type(error).__name__ for error in self.reasons]
        super().__init__(f"no direct connection to {peer}: " + ("; ".join(parts) or "nothing was tried"))


class GatedError(P2PError):
    """A connection gate refused the peer or the address."""


class LimitExceeded(P2PError):
    """A named limit was met; ``name`` and ``limit`` say which, and how much it allows."""

    def __init__(self, name: str, limit: float) -> None:
        super().__init__(f"limit {name} of {limit} is exhausted")
        self.name = name
        self.limit = limit


class DeadlineExceeded(P2PError, TimeoutError):
    """An operation did not end within its time."""
