"""The limits of directories (specs/shinkai.md). Times are seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError
from p2pstack.shinkai.checks import require_positive

__all__ = ["CacheConfig", "ChainConfig", "FileDirectoryConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDirectoryConfig:
    """A directory in a JSON file (SHK-62)."""

    check_interval: float = 1.0
    """How often at most the file is looked at; 0 looks at every lookup."""

    timeout: float = 10.0
    """For reading or writing it. Against a disk that hangs."""

    max_size: int = 8 * 1024 * 1024
    """Of the file. Against a path that names something else."""

    max_identities: int = 10_000
    """In it."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(self, "timeout", "max_size", "max_identities")
        if self.check_interval < 0:
            raise ConfigError("check_interval must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """The registry on chain (SHK-64, SHK-65). The defaults are those of the original: Base Sepolia."""

    endpoints: tuple[str, ...] = (
        "https://sepolia.base.org",
        "https://base-sepolia-rpc.publicnode.com",
        "https://base-sepolia.gateway.tenderly.co",
    )
    """URLs of JSON-RPC servers, tried in turn until one knows the name. Their paths may hold keys: no error and no log
    shows more of them than the host."""

    contract: str = "0x425fb20ba3874e887336aaa7f3fab32d08135ba9"
    """Address of the registry's contract."""

    endpoint_timeout: float = 5.0
    """For one server, as in the original. Against one that answers slowly, or a byte at a time."""

    timeout: float = 20.0
    """For all servers together."""

    max_answer: int = 256 * 1024
    """Of an answer. Against servers that send without end; a node's record has less than 2 KiB."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(self, "endpoint_timeout", "timeout", "max_answer")
        if not self.endpoints:
            raise ConfigError("endpoints must name a server")
        for url in self.endpoints:
            if not url.startswith(("http://", "https://")):
                raise ConfigError("endpoints must be URLs of http or https")
        digits = self.contract.removeprefix("0x")
        if len(digits) != 40 or not set(digits) <= set("0123456789abcdefABCDEF"):
            raise ConfigError("contract must be 0x and 40 hex digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """How long what a directory said is remembered (SHK-66)."""

    fresh: float = 15 * 60.0
    """As long it is taken as it is, as in the original."""

    stale: float = 30 * 60.0
    """As long it is still taken, while it is asked for again, as in the original."""

    unknown: float = 60.0
    """How long it is remembered that there is no such name. Against strangers who name somebody new each time."""

    timeout: float = 25.0
    """For a lookup that has to be made."""

    max_entries: int = 4_096
    """Names that are remembered; the one that was not asked for longest is forgotten first."""

    max_lookups: int = 16
    """Lookups that are under way. Against strangers who would have us ask for many names at once."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(self, "fresh", "unknown", "timeout", "max_entries", "max_lookups")
        if self.stale < self.fresh:
            raise ConfigError("stale must be at least fresh")
