"""What ``import p2pstack`` gives: every public name, and the later ones only when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import p2pstack


@pytest.mark.parametrize("name", p2pstack.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(p2pstack, name)
    assert name in {"__version__", "Multiaddr"} or value.__name__ == name


def test_names_are_listed_once_and_in_order() -> None:
    assert list(p2pstack.__all__) == sorted(set(p2pstack.__all__), key=lambda name: (not name[0].isupper(), name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Router'"):
        _ = p2pstack.Router  # type: ignore[attr-defined]


def test_pubsub_is_loaded_when_it_is_first_used() -> None:
    program = (
        "import sys, p2pstack\n"
        "assert 'p2pstack.gossipsub' not in sys.modules\n"
        "from p2pstack import Gossipsub\n"
        "assert Gossipsub is p2pstack.Gossipsub\n"
        "assert 'p2pstack.gossipsub.router' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=30)
