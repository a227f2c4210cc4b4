"""PCP and NAT-PMP in bytes, as RFC 6887 and RFC 6886 draw them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.services.port_mapping.gateway import Lease, PortMappingError
from p2pstack.services.port_mapping.pcp import (
    MAX_ANSWER,
    decode_announcement,
    decode_external,
    decode_natpmp_lease,
    decode_pcp_lease,
    encode_announcement,
    encode_external,
    encode_natpmp_map,
    encode_pcp_map,
)

LOCAL = IPv4Address("192.168.1.2")
OUTSIDE = IPv4Address("5.10.0.1")
NONCE = bytes(range(12))
MAPPED = bytes(10) + b"\xff\xff"

PCP_HEAD = bytes.fromhex("0281000000000e1000000007") + bytes(12)
PCP_LEASE = PCP_HEAD + NONCE + bytes.fromhex("060000000fa11388") + MAPPED + OUTSIDE.packed
NATPMP_LEASE = bytes.fromhex("00820000000000070fa1138800000e10")


@pytest.mark.req("PMAP-02")
def test_questions_of_pcp() -> None:
    assert encode_announcement(LOCAL) == bytes.fromhex("0200000000000000") + MAPPED + LOCAL.packed
    wanted = bytes.fromhex("0201000000000e10") + MAPPED + LOCAL.packed + NONCE
    wanted += bytes.fromhex("060000000fa11388") + MAPPED + bytes(4)
    assert encode_pcp_map(LOCAL, NONCE, 4001, 3600, 5000, IPv4Address(0)) == wanted


@pytest.mark.req("PMAP-01")
def test_questions_of_natpmp() -> None:
    assert encode_external() == b"\0\0"
    assert encode_natpmp_map(4001, 3600, 5000) == bytes.fromhex("000200000fa1138800000e10")
    assert encode_natpmp_map(4001, 0, 0) == bytes.fromhex("000200000fa1000000000000")


@pytest.mark.req("PMAP-01", "PMAP-02", "PMAP-05")
def test_answers() -> None:
    decode_announcement(bytes.fromhex("0280000000000000") + bytes(16))
    assert decode_external(bytes.fromhex("0080000000000001") + OUTSIDE.packed) == OUTSIDE
    lease = Lease(internal=4001, external=5000, host=OUTSIDE, seconds=3600.0, key=NONCE)
    assert decode_pcp_lease(PCP_LEASE, NONCE, 4001) == lease
    assert decode_pcp_lease(PCP_LEASE + bytes(8), NONCE, 4001) == lease, "options that nobody asked for"
    assert decode_natpmp_lease(NATPMP_LEASE, 4001, OUTSIDE) == Lease(
        internal=4001, external=5000, host=OUTSIDE, seconds=3600.0
    )


def changed(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes((value,)) + data[at + 1 :]


@pytest.mark.misbehave
@pytest.mark.req("PMAP-02")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        PCP_LEASE[:23],
        PCP_LEASE[:24],
        PCP_LEASE[:56],
        PCP_LEASE + b"\0",
        PCP_LEASE + bytes(MAX_ANSWER),
        changed(PCP_LEASE, 0, 1),
        changed(PCP_LEASE, 1, 1),
        changed(PCP_LEASE, 1, 0x80),
        changed(PCP_LEASE, 24, 255),
        changed(PCP_LEASE, 36, 17),
        changed(PCP_LEASE, 41, 0),
        bytes((0, 1, 0, 1)),
    ],
)
def test_what_is_no_answer_of_pcp(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_pcp_lease(data, NONCE, 4001)


@pytest.mark.misbehave
@pytest.mark.req("PMAP-01")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        NATPMP_LEASE[:7],
        NATPMP_LEASE[:15],
        NATPMP_LEASE + b"\0",
        changed(NATPMP_LEASE, 0, 2),
        changed(NATPMP_LEASE, 1, 2),
        changed(NATPMP_LEASE, 1, 0x81),
        changed(NATPMP_LEASE, 9, 0),
    ],
)
def test_what_is_no_answer_of_natpmp(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_natpmp_lease(data, 4001, OUTSIDE)


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (lambda: decode_pcp_lease(changed(PCP_LEASE, 3, 2), NONCE, 4001), 2, "switched off"),
        (lambda: decode_pcp_lease(changed(PCP_LEASE, 3, 99), NONCE, 4001), 99, "error 99"),
        (lambda: decode_announcement(changed(PCP_HEAD, 1, 0x80)[:3] + b"\x08" + bytes(20)), 8, "no room"),
        (lambda: decode_natpmp_lease(changed(NATPMP_LEASE, 3, 3), 4001, OUTSIDE), 3, "no address"),
        (lambda: decode_natpmp_lease(changed(NATPMP_LEASE, 3, 77)[:8], 4001, OUTSIDE), 77, "error 77"),
        (lambda: decode_external(bytes.fromhex("0080000200000001")), 2, "switched off"),
    ],
)
def test_refusals(call: Callable[[], object], code: int, text: str) -> None:
    with pytest.raises(PortMappingError, match=text) as caught:
        call()
    assert caught.value.code == code


@pytest.mark.req("PMAP-03")
def test_a_gateway_of_natpmp_alone_says_so() -> None:
    for data in (bytes.fromhex("00800001"), bytes.fromhex("0080000100000007"), bytes.fromhex("00810001") + bytes(20)):
        with pytest.raises(PortMappingError, match="does not speak PCP"):
            decode_announcement(data)


@pytest.mark.misbehave
@pytest.mark.req("PMAP-02", "PMAP-05")
def test_grants_that_can_not_be() -> None:
    with pytest.raises(PortMappingError, match="no IPv4 address and port"):
        decode_pcp_lease(PCP_LEASE[:44] + bytes(15) + b"\1", NONCE, 4001)
    with pytest.raises(PortMappingError, match="no IPv4 address and port"):
        decode_pcp_lease(PCP_LEASE[:42] + b"\0\0" + PCP_LEASE[44:], NONCE, 4001)
    with pytest.raises(PortMappingError, match="no port"):
        decode_natpmp_lease(NATPMP_LEASE[:10] + b"\0\0" + NATPMP_LEASE[12:], 4001, OUTSIDE)
    ended = PCP_HEAD[:4] + bytes(4) + PCP_HEAD[8:] + PCP_LEASE[24:42] + b"\0\0" + PCP_LEASE[44:]
    assert decode_pcp_lease(ended, NONCE, 4001).seconds == 0


@pytest.mark.misbehave
@given(st.binary(max_size=80))
def test_garbage_is_an_answer_or_an_error(data: bytes) -> None:
    for read in (
        decode_announcement,
        decode_external,
        lambda data: decode_pcp_lease(data, NONCE, 4001),
        lambda data: decode_natpmp_lease(data, 4001, OUTSIDE),
    ):
        with contextlib.suppress(DecodeError, PortMappingError):
            read(data)
