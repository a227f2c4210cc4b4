"""What a relay tells: ``ShinkaiRelayer.events()`` gives it (SHK-101, SHK-102; specs/shinkai.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.host.events import Event
from p2pstack.identity.peer_id import PeerId

__all__ = ["NodeRegistered", "NodeUnregistered", "RegistrationRefused", "RelayerEvent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayerEvent(Event):
    """The base of what a relay tells."""

    peer: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRegistered(RelayerEvent):
    """Messages for ``name`` go to ``peer`` from now on. ``local``: it has no name of its own, but its peer id."""

    name: str
    local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUnregistered(RelayerEvent):
    """They do no longer; ``reason``: ``disconnected``, ``replaced``, or why the directory does not have it any more."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRefused(RelayerEvent):
    """A peer claims ``name``, and does not get it: ``wrong-key``, ``our-name``, a limit, or the directory's reason."""

    name: str
    reason: str
