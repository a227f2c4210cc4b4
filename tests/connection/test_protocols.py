from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.connection.protocols import ProtocolTable, opening
from p2pstack.errors import LocalError
from tests.vectors import load


@pytest.mark.req("MSS-01", "MSS-06")
def test_the_opening_is_header_and_proposal_as_go_and_rust_write_them() -> None:
    for vectors in ("multistream", "multistream_rust"):
        writes = load(vectors)["exchanges"][0]["writes"]
        first = b"".join(bytes.fromhex(write["hex"]) for write in writes if write["from"] == "dialer")
        assert opening("/yamux/1.0.0") == first


@pytest.mark.req("MSS-14")
def test_what_is_served_may_change() -> None:
    table = ProtocolTable(("/a", "/b"))
    assert list(table) == ["/a", "/b"]
    table.add("/c")
    table.add("/a")
    table.remove("/b")
    table.remove("/never")
    assert (list(table), len(table)) == (["/a", "/c"], 2)
    assert "/c" in table
    assert "/b" not in table
    assert 7 not in table


@pytest.mark.req("MSS-11")
def test_only_the_exact_bytes_find_a_protocol() -> None:
    table = ProtocolTable(("/a/1.0.0",))
    asked = opening("/a/1.0.0")
    assert table.find(asked) == "/a/1.0.0"
    assert table.find(asked[:-1]) is None
    assert table.find(asked + b"\n") is None
    assert table.find(opening("/A/1.0.0")) is None
    table.remove("/a/1.0.0")
    assert table.find(asked) is None


@pytest.mark.req("MSS-11")
@pytest.mark.parametrize("protocol", ["", "no-slash", "/new\nline", "/" + "x" * 1023, "/\ud800"])
def test_what_cannot_be_negotiated_is_not_served(protocol: str) -> None:
    table = ProtocolTable()
    with pytest.raises(LocalError):
        table.add(protocol)
    assert len(table) == 0


names = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n"), max_size=200).map("/{}".format)


@given(st.lists(names, unique=True, max_size=20))
def test_every_served_protocol_is_found_by_its_opening(protocols: list[str]) -> None:
    table = ProtocolTable(tuple(protocols))
    assert [table.find(opening(protocol)) for protocol in protocols] == protocols
