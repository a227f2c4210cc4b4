"""Limits of a negotiation. multistream-select itself names none, so a peer could ask for ever without them."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError

__all__ = ["MultistreamConfig"]

SMALLEST_MESSAGE = 32
"""Bytes: room for the header and a short protocol id."""

LARGEST_MESSAGE = 16_383
"""Bytes: what a length of two varint bytes can say, and the most that rust-libp2p reads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MultistreamConfig:
    """Limits of one negotiation.

    Raises:
        ConfigError: a value can't work.
    """

    max_message: int = 1024
    """Bytes of a message, newline included (MSS-05). Against a peer that announces a huge message and makes us wait
    for it or hold it. go-libp2p and js-libp2p have the same limit; one more byte ends the negotiation."""

    max_messages: int = 128
    """Messages that one negotiation may take from the peer, the header included (MSS-08). Against a peer that proposes
    unknown protocols, or asks ``ls``, again and again. go has no such limit, so its peers never meet it."""

    max_listed: int = 1000
    """Protocol names in the answer to ``ls`` (MSS-07, MSS-08), ours and the peer's. Against a listing that costs more
    to hold than it is worth. The figure is rust-libp2p's."""

    max_listing: int = LARGEST_MESSAGE
    """Bytes of the peer's answer to ``ls``, which may be larger than any other message: rust sends up to this."""

    def __post_init__(self) -> None:
        for name in ("max_message", "max_listing"):
            if not SMALLEST_MESSAGE <= getattr(self, name) <= LARGEST_MESSAGE:
                raise ConfigError(f"{name} must be between {SMALLEST_MESSAGE} and {LARGEST_MESSAGE} bytes")
        if self.max_messages < 2:
            raise ConfigError("max_messages must be at least 2: a header and a proposal")
        if self.max_listed < 0:
            raise ConfigError("max_listed can't be negative")
