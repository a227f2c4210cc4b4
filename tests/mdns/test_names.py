"""Domain names: what is read, and what is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.mdns.names import MAX_POINTERS, NameReader, encode_name, private_service, service_name

LABELS = st.lists(st.binary(min_size=1, max_size=63).map(bytes.lower), max_size=4)


@given(LABELS, st.binary(max_size=40))
def test_a_name_comes_back(labels: list[bytes], before: bytes) -> None:
    name = tuple(labels)
    encoded = encode_name(name)
    if len(encoded) > 255:
        with pytest.raises(DecodeError):
            NameReader(before + encoded).read(len(before))
    else:
        assert NameReader(before + encoded + b"rest").read(len(before)) == (name, len(before) + len(encoded))


@pytest.mark.req("MDNS-05")
def test_upper_case_is_lower_case() -> None:
    assert NameReader(b"\x04_P2p\x00").read(0) == ((b"_p2p",), 6)


def test_pointers_are_followed() -> None:
    data = b"\x05local\x00\x04_udp\xc0\x00\x04_p2p\xc0\x07"
    assert NameReader(data).read(14) == ((b"_p2p", b"_udp", b"local"), 21)


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
        NameReader(data).read(offset)
    assert caught.value.requirement == "MDNS-04"


@given(st.binary(max_size=300), st.integers(0, 300))
def test_reading_ends_whatever_comes(data: bytes, offset: int) -> None:
    try:
        name, end = NameReader(data).read(offset)
    except DecodeError:
        return
    assert sum(1 + len(label) for label in name) < 255
    assert offset < end <= len(data)


class Counted(bytes):
    """Counts how often something is read of it."""

    reads = 0

    def __getitem__(self, key: Any) -> Any:
        self.reads += 1
        return super().__getitem__(key)


@pytest.mark.req("MDNS-04")
def test_chains_of_pointers_are_short() -> None:
    chain = b"\x01a\x00\xc0\x00" + b"".join(bytes((0xC0, 2 * number + 3)) for number in range(40))
    names = NameReader(chain)
    for pointers in range(1, 41):
        offset = 1 + 2 * pointers
        for reader in (names, NameReader(chain)):
            if pointers <= MAX_POINTERS:
                assert reader.read(offset) == ((b"a",), offset + 2)
            else:
                with pytest.raises(DecodeError, match="pointers"):
                    reader.read(offset)


@pytest.mark.req("MDNS-04")
def test_what_many_names_share_is_read_once() -> None:
    shared = b"\x01a" * 126 + b"\x00"
    data = Counted(shared + b"".join(bytes((0xC0, 2 * (number % 126))) for number in range(500)))
    names = NameReader(data)
    for number in range(500):
        name, end = names.read(len(shared) + 2 * number)
        assert (len(name), end) == (126 - number % 126, len(shared) + 2 * number + 2)
    assert data.reads < 2 * len(data)


@given(st.lists(st.sampled_from(b"\x00\x01\x02\xc0a"), max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_names_are_the_same_in_any_order(data: list[int], offsets: list[int]) -> None:
    names = NameReader(bytes(data))
    for offset in offsets:
        try:
            alone = NameReader(bytes(data)).read(offset)
        except DecodeError:
            with pytest.raises(DecodeError):
                names.read(offset)
        else:
            assert names.read(offset) == alone


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
