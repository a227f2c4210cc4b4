"""Discovery messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.shinkai import json_form
from p2pstack.shinkai.errors import MessageError
from p2pstack.shinkai.network import discovery
from tests.shinkai.network.nodes import KEYS, text

PEER = KEYS["alice"].signature.peer_id


@pytest.mark.req("SHK-72")
def test_they_are_written_as_the_original_writes_them() -> None:
    data = discovery.encode(discovery.DISCOVERY, PEER)
    assert data == b'{"type":"discovery","peer_id":"%s"}' % str(PEER).encode()
    assert discovery.decode(data) == (PEER, "discovery")
    assert discovery.decode(discovery.encode(discovery.PEER_CONNECTED, PEER)) == (PEER, "peer_connected")
    assert discovery.looks_like(data)
    assert not discovery.looks_like(json_form.encode(text('"type":"discovery"')))


@pytest.mark.req("SHK-72")
@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"5", b'{"type":"discovery"}', b'{"type":"x","peer_id":"%s"}' % str(PEER).encode(),
     b'{"type":"discovery","peer_id":5}', b'{"type":"discovery","peer_id":"x"}', b'{"type":[],"peer_id":"x"}'],
)  # fmt: skip
def test_others_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        discovery.decode(data)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    try:
        _, kind = discovery.decode(b'{"type":' + data)
    except MessageError:
        return
    assert kind in {"discovery", "peer_joined", "peer_connected"}
