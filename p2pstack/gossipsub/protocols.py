"""The versions of the protocol, and what each of them can do (GS10-01; specs/gossipsub.md)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FLOODSUB", "PROTOCOLS", "Features", "features_of"]

FLOODSUB = "/floodsub/1.0.0"

PROTOCOLS = ("/meshsub/1.3.0", "/meshsub/1.2.0", "/meshsub/1.1.0", "/meshsub/1.0.0", FLOODSUB)
"""In the order in which they are offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a peer understands."""

    mesh: bool
    """The mesh and its control messages; a peer without gets every message (GS10-27)."""

    backoff: bool
    """Back-off and peer exchange in a PRUNE (GS11-02, GS11-06)."""

    idontwant: bool
    """IDONTWANT (GS12-01)."""

    extensions: bool
    """The extensions handshake (GS13-01)."""


_FEATURES = {
    name: Features(mesh=level > 0, backoff=level > 1, idontwant=level > 2, extensions=level > 3)
    for level, name in enumerate(reversed(PROTOCOLS))
}


def features_of(protocol: str) -> Features:
    """Return what a peer understands with which ``protocol``, one of :data:`PROTOCOLS`, was agreed on."""
    return _FEATURES[protocol]
