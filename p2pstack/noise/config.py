"""Limits of the Noise handshake and of what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError

__all__ = ["NoiseConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseConfig:
    """Limits of Noise.

    Raises:
        ConfigError: a value can't work.
    """

    max_muxers: int = 100
    """Names in the peer's list of muxers. A longer list is ignored as a whole, as go-libp2p does, and the muxer is
    agreed by multistream then (NOISE-17). Against a list that makes us compare thousands of names."""

    verified_entries: int = 1024
    """Verified signatures that a :class:`VerifyCache` remembers; 0 remembers none. Against a flood of identities that
    would grow it without end (GEN-04)."""

    verified_bytes: int = 1024
    """Bytes of key and signature up to which a verified signature is remembered. Against identities that are padded
    to the 64 KiB of a handshake message: ``verified_entries`` of those would be 64 MiB."""

    def __post_init__(self) -> None:
        for name in ("max_muxers", "verified_entries", "verified_bytes"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} can't be negative")
