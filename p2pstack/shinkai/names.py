"""Shinkai names: ``@@node.shinkai``, and below it a profile, and below that an agent or a device (SHK-01 to SHK-03).

::

    @@alice.shinkai                         a node
    @@alice.shinkai/main                    its profile "main"
    @@alice.shinkai/main/agent/assistant    an agent of that profile
    @@alice.shinkai/main/device/phone       a device of that profile
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from p2pstack.shinkai.errors import InvalidName, shown

__all__ = ["ENDINGS", "ShinkaiName", "SubidentityType", "is_local", "is_valid", "repair", "validate"]

ENDINGS = (".shinkai", ".sepolia-shinkai", ".arb-sep-shinkai", ".sep-shinkai")
"""What a node's name ends with, by the registry that lists it. Their case counts."""

_LOCAL = "@@localhost."

_NODE = re.compile(r"@@[a-zA-Z0-9_.]+(?:\.shinkai|\.arb-sep-shinkai|\.sepolia-shinkai|\.sep-shinkai)")
_PART = re.compile(r"[a-zA-Z0-9_]*")


class SubidentityType(StrEnum):
    """What the third part of a name says that the fourth one names."""

    AGENT = "agent"
    DEVICE = "device"


_TYPES = frozenset(SubidentityType)


def repair(text: str) -> str:
    """Return ``text`` with ``@@`` before and ``.shinkai`` behind its node part, where they are missing (SHK-01)."""
    node, slash, rest = text.partition("/")
    if not node.startswith("@@"):
        node = "@@" + node
    if not node.endswith(ENDINGS):
        node += ".shinkai"
    return node + slash + rest


def validate(text: str) -> None:
    """Check that ``text`` is a name as it stands, without repair (SHK-02).

    Raises:
        InvalidName: it is none; the error says why.
    """
    node, *below = text.split("/")
    if len(below) > 3:
        raise _invalid(text, "it has more than four parts")
    if not _NODE.fullmatch(node):
        raise _invalid(text, "its node part is not @@, letters, digits, _ and ., and a known ending")
    if len(below) >= 2 and below[1] not in _TYPES:
        raise _invalid(text, "its third part is neither agent nor device")
    if len(below) == 2:
        raise _invalid(text, f"an {below[1]} needs a name as the fourth part")
    if not all(_PART.fullmatch(part) for part in below):
        raise _invalid(text, "a part below the node has other characters than letters, digits and _")


def _invalid(text: str, why: str) -> InvalidName:
    return InvalidName(f"{shown(text)} is no Shinkai name: {why}", requirement="SHK-02")


def is_valid(text: str) -> bool:
    """Tell whether ``text`` is a name as it stands, without repair (SHK-02)."""
    try:
        validate(text)
    except InvalidName:
        return False
    return True


def is_local(name: ShinkaiName) -> bool:
    """Tell whether ``name`` is of nodes that have none of their own, which no directory lists."""
    return name.node_name.startswith(_LOCAL)


@dataclass(frozen=True, slots=True)
class ShinkaiName:
    """A name, taken apart. Names are equal when they differ in nothing but case (SHK-03).

    All parts are in lower case, but ``subidentity_name``, which stays as it was written. ``profile_name`` is None where
    a name ends with its node, and may be empty (``@@alice.shinkai/``). Made by :meth:`parse`.
    """

    full_name: str
    node_name: str = field(compare=False)
    profile_name: str | None = field(compare=False, default=None)
    subidentity_type: SubidentityType | None = field(compare=False, default=None)
    subidentity_name: str | None = field(compare=False, default=None)

    @classmethod
    def parse(cls, text: str) -> ShinkaiName:
        """Read a name, repaired where ``@@`` or the ending is missing (SHK-01).

        Raises:
            InvalidName: it is none even so (SHK-02).
        """
        repaired = repair(text)
        validate(repaired)
        node, *below = repaired.split("/")
        return cls(
            repaired.lower(),
            node.lower(),
            below[0].lower() if below else None,
            SubidentityType(below[1]) if len(below) == 3 else None,
            below[2] if len(below) == 3 else None,
        )

    @classmethod
    def under(cls, node: str, subidentity: str) -> ShinkaiName:
        """Read the name of ``subidentity`` (``main``, ``main/agent/x``; empty: the node itself) below ``node``.

        Raises:
            InvalidName: together they are none.
        """
        return cls.parse(f"{node}/{subidentity}" if subidentity else node)

    @property
    def node(self) -> ShinkaiName:
        """The name of the node that this name belongs to."""
        return ShinkaiName(self.node_name, self.node_name)

    def contains(self, other: ShinkaiName) -> bool:
        """Tell whether ``other`` is this name or lies below it."""
        mine, others = self.full_name.split("/"), other.full_name.split("/")
        return mine == others[: len(mine)]

    def __str__(self) -> str:
        return self.full_name
