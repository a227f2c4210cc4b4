from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.yamux.frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER_SIZE,
    PING,
    RESET_GATED,
    RESET_NEGOTIATION,
    RESET_RESOURCE_LIMIT,
    RESET_SHUTDOWN,
    RST,
    SYN,
    TYPE_NAMES,
    WINDOW_UPDATE,
    flag_names,
    pack_header,
    unpack_header,
)
from tests.vectors import load


@pytest.mark.req("YMX-01", "YMX-02")
@pytest.mark.parametrize("vector", load("yamux")["frames"], ids=lambda vector: vector["note"])
def test_headers_of_a_go_peer_are_read_and_written(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["hex"])
    header = (0, vector["type"], vector["flags"], vector["stream"], vector["length"])
    assert unpack_header(raw, 0) == header
    assert pack_header(*header) == raw[:HEADER_SIZE]


@pytest.mark.req("YMX-01")
def test_the_numbers_are_those_of_the_specification() -> None:
    assert HEADER_SIZE == 12
    assert (DATA, WINDOW_UPDATE, PING, GO_AWAY) == (0, 1, 2, 3)
    assert (SYN, ACK, FIN, RST) == (1, 2, 4, 8)
    assert [TYPE_NAMES[kind] for kind in (DATA, WINDOW_UPDATE, PING, GO_AWAY)] == [
        "data", "window-update", "ping", "go-away",
    ]  # fmt: skip


@pytest.mark.req("YMX-14")
def test_the_reset_codes_are_those_of_go() -> None:
    codes = (RESET_NEGOTIATION, RESET_RESOURCE_LIMIT, RESET_SHUTDOWN, RESET_GATED)
    assert codes == (0x1001, 0x1002, 0x1007, 0x1008)


@given(
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
def test_every_header_survives_at_any_offset(version: int, kind: int, flags: int, stream: int, length: int) -> None:
    raw = b"..." + pack_header(version, kind, flags, stream, length)
    assert unpack_header(raw, 3) == (version, kind, flags, stream, length)
    assert unpack_header(memoryview(raw), 3) == unpack_header(bytearray(raw), 3)


@pytest.mark.parametrize("value", [-1, 2**32])
def test_a_number_that_does_not_fit_is_not_cut(value: int) -> None:
    with pytest.raises(struct.error):
        pack_header(0, DATA, 0, 1, value)


def test_flags_have_names() -> None:
    assert flag_names(0) == ""
    assert flag_names(SYN) == "SYN"
    assert flag_names(SYN | ACK | FIN | RST) == "SYN|ACK|FIN|RST"
    assert flag_names(0xFFF0 | FIN) == "FIN"
