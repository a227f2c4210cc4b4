"""The relay of Shinkai nodes that can't be reached, or have no name: circuits, and messages by name (specs/shinkai.md).

::

    ShinkaiRelayer              the host, and what belongs to it
    ├── RelayServer             reservations and circuits, as for any libp2p peer (specs/relay.md)
    ├── Registrar               who is who, by identify and the directory (SHK-101, SHK-102, SHK-109)
    └── Courier                 requests and their answers (SHK-103 to SHK-108)

``registrations``, ``forwarding`` and ``rewriting`` decide, and wait for nothing.
"""

from __future__ import annotations

from p2pstack.shinkai.relayer.config import RelayerConfig
from p2pstack.shinkai.relayer.relayer import ShinkaiRelayer

__all__ = ["RelayerConfig", "ShinkaiRelayer"]
