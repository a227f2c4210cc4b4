"""Domain names: what is read, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.mdns.names import encode_name, private_service, read_name, service_name

LABELS = st.lists(st.binary(min_size=1, max_size=63).map(bytes.lower), max_size=4)


@given(LABELS, st.binary(max_size=40))
def test_a_name_comes_back(labels: list[bytes], before: bytes) -> None:
    name = tuple(labels)
    encoded = encode_name(name)
    if len(encoded) > 255:
        with pytest.raises(DecodeError):
            read_name(before + encoded, len(before))
    else:
        assert read_name(before + encoded + b"rest", len(before)) == (name, len(before) + len(encoded))


@pytest.mark.req("MDNS-05")
def test_upper_case_is_lower_case() -> None:
    assert read_name(b"\x04_P2p\x00", 0) == ((b"_p2p",), 6)


def test_pointers_are_followed() -> None:
    data = b"\x05local\x00\x04_udp\xc0\x00\x04_p2p\xc0\x07"
    assert read_name(data, 14) == ((b"_p2p", b"_udp", b"local"), 21)


@pytest.mark.req("MDNS-04")
@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"\xc0\x00", 0),
        (b"\x01a\xc0\x02", 2),
        (b"\x01a\xc0\x00", 0),
        (b"\x01a\xc0\x04\x01b\xc0\x00", 4),
        (b"\xc0\x02\xc0\x00", 2),
        (b"\xc0\x05\x00\x00\x00\x00", 0),
        (b"\x40" + b"a" * 64 + b"\x00", 0),
        (b"\x80a\x00", 0),
        ((b"\x3f" + b"a" * 63) * 4 + b"\x00", 0),
        (b"", 0),
        (b"\x01", 0),
        (b"\x01a", 0),
        (b"\x00\xc0", 1),
        (b"abc", 7),
    ],
)
def test_what_is_no_name(data: bytes, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        read_name(data, offset)
    assert caught.value.requirement == "MDNS-04"


@given(st.binary(max_size=300), st.integers(0, 300))
def test_reading_ends_whatever_comes(data: bytes, offset: int) -> None:
    try:
        name, end = read_name(data, offset)
    except DecodeError:
        return
    assert sum(1 + len(label) for label in name) < 255
    assert offset < end <= len(data)


def test_services() -> None:
    assert service_name("_p2p._udp.local") == (b"_p2p", b"_udp", b"local")
    for text in (
        "",
        "_p2p._tcp.local",
        "p2p._udp.local",
        "_P2P._udp.local",
        f"_{'a' * 63}._udp.local",
        "_a-._udp.local",
    ):
        with pytest.raises(ConfigError):
            service_name(text)


@pytest.mark.req("MDNS-04")
def test_a_private_network_has_a_service_of_its_own() -> None:
    assert private_service(bytes.fromhex("00ffa0")) == "_p2p-00ffa0._udp.local"
    assert service_name(private_service(bytes(28)))[0] == b"_p2p-" + b"00" * 28
    for fingerprint in (b"", bytes(30)):
        with pytest.raises(ConfigError):
            private_service(fingerprint)
