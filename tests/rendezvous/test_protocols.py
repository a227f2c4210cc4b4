"""The names of namespaces."""

from __future__ import annotations

import pytest

from p2pstack.errors import DecodeError
from p2pstack.rendezvous.protocols import DEFAULT_TTL, MAX_TTL, MIN_TTL, PROTOCOL, check_namespace, read_namespace


@pytest.mark.req("RDV-01", "RDV-05")
def test_the_figures_of_the_specification() -> None:
    assert PROTOCOL == "/rendezvous/1.0.0"
    assert (MIN_TTL, DEFAULT_TTL, MAX_TTL) == (2 * 3_600, 2 * 3_600, 72 * 3_600)


@pytest.mark.req("RDV-03")
@pytest.mark.parametrize("name", ["a", "x" * 255, "\u00e9" * 127])
def test_names_of_1_to_255_bytes_are_good(name: str) -> None:
    assert read_namespace(check_namespace(name)) == name


@pytest.mark.req("RDV-03")
@pytest.mark.parametrize("name", ["", "x" * 256, "\u00e9" * 128, "\ud800"])
def test_other_names_are_none(name: str) -> None:
    with pytest.raises(DecodeError) as caught:
        check_namespace(name)
    assert caught.value.requirement == "RDV-03"


@pytest.mark.misbehave
@pytest.mark.req("RDV-03")
@pytest.mark.parametrize("encoded", [b"", b"x" * 256, b"\xff"])
def test_other_bytes_are_no_name(encoded: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        read_namespace(encoded)
    assert caught.value.requirement == "RDV-03"
