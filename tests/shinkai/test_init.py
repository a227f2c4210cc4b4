"""What ``from p2pstack.shinkai import …`` gives: every name that programs need, loaded when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from p2pstack import shinkai


@pytest.mark.parametrize("name", shinkai.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(shinkai, name).__name__ == name
    assert name in vars(shinkai), "the second time it is at hand"


def test_names_are_listed_once_and_in_order() -> None:
    assert list(shinkai.__all__) == sorted(set(shinkai.__all__), key=lambda name: (not name[0].isupper(), name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'p2pstack\.shinkai' has no attribute 'Wallet'"):
        _ = shinkai.Wallet  # type: ignore[attr-defined]


def test_a_name_costs_only_what_it_needs() -> None:
    program = (
        "import sys\n"
        "from p2pstack.shinkai import ShinkaiName\n"
        "assert 'p2pstack.shinkai.names' in sys.modules\n"
        "assert 'p2pstack.shinkai.node' not in sys.modules\n"
        "assert 'sqlite3' not in sys.modules\n"
        "from p2pstack.shinkai import ShinkaiNode\n"
        "assert 'p2pstack.shinkai.node' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=30)
