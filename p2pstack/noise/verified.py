"""A bounded memory of signatures that were verified, so that a peer that returns costs a look-up, not a verification.

rust-libp2p and p2pstack keep one static key a host, and so sign the same bytes for every connection; go-libp2p makes a
new one each time and never profits. What is remembered is only "this identity key signed this static key". That the
peer owns the static key is proven by the Diffie-Hellman exchange of each handshake, remembered or not.
"""

from __future__ import annotations

from p2pstack.identity.keys import PublicKey
from p2pstack.noise.config import NoiseConfig

__all__ = ["VerifyCache"]

DEFAULT_CONFIG = NoiseConfig()

Triple = tuple[bytes, bytes, bytes]


class VerifyCache:
    """The triples (identity key as sent, signature, static key) whose signature is good, and the parsed key of each.

    The one that was used least recently makes room for a new one; those larger than ``config.verified_bytes`` are not
    remembered at all. One cache serves a whole host.
    """

    __slots__ = ("_config", "_keys")

    def __init__(self, config: NoiseConfig = DEFAULT_CONFIG) -> None:
        self._config = config
        self._keys: dict[Triple, PublicKey] = {}  # the least recently used first

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, triple: Triple) -> PublicKey | None:
        """Return the parsed identity key of a verified triple, or None where it is not remembered."""
        key = self._keys.pop(triple, None)
        if key is not None:
            self._keys[triple] = key
        return key

    def add(self, triple: Triple, key: PublicKey) -> None:
        """Remember that the signature in ``triple`` was verified with ``key``, which its first part parses to."""
        if sum(map(len, triple)) > self._config.verified_bytes or not self._config.verified_entries:
            return
        self._keys[triple] = key
        if len(self._keys) > self._config.verified_entries:
            del self._keys[next(iter(self._keys))]
