"""Addresses: go's vectors, strict reading of text and bytes, TCP endpoints, and what is public."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiaddr.codecs import codec_by_name
from multiaddr.protocols import PROTOCOLS

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity import multiaddrs
from p2pstack.identity.multiaddrs import Multiaddr, TcpEndpoint, parse
from p2pstack.identity.peer_id import PeerId
from tests.vectors import load

VECTORS = load("multiaddr")
SEEDS = load("keys")["seeds"]
PEER = PeerId.from_string(SEEDS[4]["peer_id_text"])
OTHER = PeerId.from_string(SEEDS[5]["peer_id_text"])
CERTHASH = "uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g"
ONION3 = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234"

ADDRESSES = st.builds(
    lambda host, port, peer: host + f"/tcp/{port}" + (f"/p2p/{peer}" if peer else ""),
    st.one_of(
        st.integers(0, 2**32 - 1).map(lambda n: f"/ip4/{IPv4Address(n)}"),
        st.integers(0, 2**128 - 1).map(lambda n: f"/ip6/{IPv6Address(n)}"),
        st.sampled_from(["/dns/a", "/dns4/example.org", "/dns6/xn--bcher-kva.example", "/dnsaddr/bücher.example"]),
    ),
    st.integers(0, 65_535),
    st.sampled_from([None, PEER, OTHER, PeerId(b"\x12\x20" + bytes(32))]),
)


@pytest.mark.req("PEERID-11")
@pytest.mark.parametrize("case", VECTORS["pairs"], ids=lambda case: case["text"])
def test_go_reads_and_writes_the_same(case: dict[str, str]) -> None:
    address = parse(case["text"])
    assert address.to_bytes().hex() == case["hex"]
    assert str(address) == case["canonical"]
    assert parse(bytes.fromhex(case["hex"])) == address
    assert parse(case["canonical"]) == address


@pytest.mark.req("PEERID-11")
@pytest.mark.parametrize("case", VECTORS["bad"], ids=lambda case: case["hex"] or "empty")
def test_bytes_that_go_refuses(case: dict[str, str]) -> None:
    with pytest.raises(DecodeError):
        parse(bytes.fromhex(case["hex"]))


@given(ADDRESSES)
def test_every_form_is_read_back(text: str) -> None:
    address = parse(text)
    assert parse(str(address)) == address
    for buffer in (bytes, bytearray, memoryview):
        assert parse(buffer(address.to_bytes())) == address
    assert parse(address) is address
    assert multiaddrs.components(address)[1] == (6, int(text.split("/")[4]).to_bytes(2, "big"))


@pytest.mark.req("PEERID-11")
@given(ADDRESSES, st.integers(0, 200))
def test_a_cut_address_is_refused_or_ends_at_a_part(text: str, size: int) -> None:
    data = parse(text).to_bytes()
    part_ends = {0}
    for code, value in multiaddrs.components(parse(text)):
        length = len(value) + (2 if code == 421 else 1) + (1 if code in {53, 54, 55, 56, 421} else 0)
        part_ends.add(max(part_ends) + length)
    size %= len(data)
    if size in part_ends - {0}:
        assert parse(data[:size]).to_bytes() == data[:size]
    else:
        with pytest.raises(DecodeError):
            parse(data[:size])


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=30).map(lambda tail: b"\x04\x7f\x00\x00\x01" + tail)))
def test_bytes_of_any_kind_print_or_are_refused(data: bytes) -> None:
    try:
        address = parse(data)
    except DecodeError:
        return
    assert parse(str(address)).to_bytes()
    multiaddrs.is_public(address)
    multiaddrs.peer_id_of(address)


NAMES = ("ip4", "ip6", "tcp", "udp", "dns", "p2p", "ipfs", "p2p-circuit", "ws", "ip6zone", "unix", "memory", "certhash")
VALUES = ("1.2.3.4", "::1", "80", "-1", "65536", "a.b", "", " ", "é", "%", "=", "ip4=1.2.3.4", str(PEER), PEER.to_cid())
PARTS = st.sampled_from([*NAMES, *VALUES])


@given(st.one_of(st.lists(PARTS, max_size=6).map(lambda parts: "/" + "/".join(parts)), st.text(max_size=30)))
def test_text_of_any_kind_is_read_or_refused(text: str) -> None:
    try:
        address = parse(text)
    except DecodeError:
        return
    assert parse(address.to_bytes()) == address
    assert parse(str(address)) == address


def test_the_table_of_protocols_is_complete_and_right() -> None:
    ours = {name: (code, size) for code, (name, size) in multiaddrs._PROTOCOLS.items()}
    theirs = {}
    for protocol in PROTOCOLS:
        bits = codec_by_name(protocol.codec).SIZE
        # The utf8 codec says 0, which elsewhere means "takes no value", and writes a length.
        variable = bits < 0 or protocol.codec == "utf8"
        theirs[protocol.name] = (protocol.code, -1 if variable else bits // 8)
    assert ours == theirs


@pytest.mark.req("PEERID-11")
@pytest.mark.parametrize(
    "text",
    [
        "/ip6zone/eth0/ip6/fe80::1/tcp/1",
        "/ip4/1.2.3.4/udp/1/quic-v1/webtransport/certhash/" + CERTHASH,
        "/onion3/" + ONION3,
        "/unix/tmp/socket",
        "/memory/5",
        "/ip4/10.0.0.0/ipcidr/8",
        "/dns/example.org/tcp/443/tls/sni/example.org/http/http-path/a%2Fb",
    ],
)
def test_other_protocols_are_read_too(text: str) -> None:
    address = parse(text)
    assert str(address) == text
    assert parse(address.to_bytes()) == address


@pytest.mark.req("PEERID-09", "PEERID-11")
def test_a_cid_in_an_address_becomes_the_id() -> None:
    address = parse(f"/ip4/1.2.3.4/tcp/80/ipfs/{PEER.to_cid()}/")
    assert str(address) == f"/ip4/1.2.3.4/tcp/80/p2p/{PEER}"
    assert multiaddrs.peer_id_of(address) == PEER


@pytest.mark.req("PEERID-11")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//",
        "ip4/1.2.3.4",
        "//ip4/1.2.3.4",
        "/ip4",
        "/ip4/",
        "/ip4//tcp/1",
        "/ip4/1.2.3",
        "/ip4/1.2.3.04",
        "/ip4/1.2.3.256",
        "/ip4/::1",
        "/ip4=1.2.3.4",
        "/ip6/1.2.3.4",
        "/ip6/fe80::1%eth0",
        "/ip4/1.2.3.4//tcp/1",
        "/ip4/1.2.3.4/tcp",
        "/ip4/1.2.3.4/tcp/",
        "/ip4/1.2.3.4/tcp/65536",
        "/ip4/1.2.3.4/tcp/-1",
        "/ip4/1.2.3.4/tcp/+1",
        "/ip4/1.2.3.4/tcp/1_0",
        "/ip4/1.2.3.4/tcp/ 1",
        "/ip4/1.2.3.4/tcp/٣",
        "/ip4/1.2.3.4/tcp/²",
        "/ip4/1.2.3.4/tcp/0x10",
        "/ip4/1.2.3.4/tcp/1/ws/80",
        "/ip4/1.2.3.4/tcp/1/nothing",
        "/dns/a b/tcp/1",
        "/dns//tcp/1",
        "/dns/" + "a" * 64 + "/tcp/1",
        "/p2p",
        "/p2p/Qm",
        "/p2p/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
        "/unix",
        "/certhash/uAAAA",
        "/tcp/" + "0" * 5000,
        "/unix/" + "a" * 2000,
    ],
)
def test_texts_that_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        parse(text)


@pytest.mark.req("PEERID-11", "PEERID-10")
@pytest.mark.parametrize(
    "data",
    [
        "a50302aabb" + "00" * 3,  # p2p: no id
        "a503020013",  # an id that is cut inside
        "a50300",  # an empty id
        "a5032801720024080112203b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",  # a CID
        "3500",  # dns: an empty name
        "350180",  # not UTF-8
        "35022d61",  # "-a"
        "8400047f000001",  # a code in two bytes that needs one
        "04",
        "06",
        "89060000000000000000"[:-2],  # memory: 7 bytes
        "d20301aa",  # certhash: no multihash
        "35ffffffffffffffff7f61",  # a length of 2**63 - 1
        "35ffffffffffffffffff01",  # one that is longer still
        "e10300",  # http-path: empty
    ],
)
def test_bytes_that_are_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        parse(bytes.fromhex(data))


@pytest.mark.req("GEN-02")
def test_addresses_have_a_longest() -> None:
    part = b"\x04\x7f\x00\x00\x01"
    fits = multiaddrs.MAX_BYTES // len(part)
    assert parse(part * fits)
    with pytest.raises(DecodeError, match="can't have 1025 bytes"):
        parse(part * (fits + 1))
    with pytest.raises(DecodeError, match="too long"):
        parse("/ip4/1.2.3.4" * 1000)


@pytest.mark.parametrize("data", [b"\xff\x7f", b"\x04\x7f"])
def test_an_address_that_was_not_parsed_is_found_out(data: bytes) -> None:
    with pytest.raises(DecodeError):
        parse(Multiaddr(data))
    with pytest.raises(DecodeError):
        multiaddrs.components(Multiaddr(data))


@given(ADDRESSES)
def test_peers_are_added_and_taken_away(text: str) -> None:
    address = parse(text)
    bare = multiaddrs.without_peer(address)
    named = multiaddrs.peer_id_of(address)
    assert multiaddrs.peer_id_of(bare) is None
    assert multiaddrs.without_peer(bare) == bare
    full = multiaddrs.with_peer(bare, PEER)
    assert str(full) == f"{bare}/p2p/{PEER}"
    assert multiaddrs.with_peer(full, PEER) is full
    assert multiaddrs.without_peer(full) == bare
    if named is not None:
        assert multiaddrs.with_peer(bare, named) == address
    with pytest.raises(ConfigError, match="is not one of"):
        multiaddrs.with_peer(full, OTHER)


def test_the_peer_behind_a_relay_is_the_one_that_counts() -> None:
    relayed = parse(f"/ip4/1.2.3.4/tcp/1/p2p/{OTHER}/p2p-circuit")
    assert multiaddrs.peer_id_of(relayed) is None
    assert multiaddrs.without_peer(relayed) is relayed
    full = multiaddrs.with_peer(relayed, PEER)
    assert str(full).endswith(f"/p2p/{OTHER}/p2p-circuit/p2p/{PEER}")
    assert multiaddrs.peer_id_of(full) == PEER
    assert multiaddrs.peer_id_of(Multiaddr("")) is None


@pytest.mark.req("TCP-01")
@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("/ip4/127.0.0.1/tcp/4001", ("ip4", "127.0.0.1", 4001)),
        ("/ip6/::1/tcp/0", ("ip6", "::1", 0)),
        ("/dns/a/tcp/65535", ("dns", "a", 65535)),
        ("/dns4/example.org/tcp/1", ("dns4", "example.org", 1)),
        ("/dns6/bücher.example/tcp/1", ("dns6", "bücher.example", 1)),
    ],
)
def test_plain_tcp_addresses(text: str, endpoint: tuple[str, str, int]) -> None:
    for address in (parse(text), multiaddrs.with_peer(parse(text), PEER)):
        found = multiaddrs.tcp_endpoint(address)
        assert found == endpoint
        assert (found.kind, found.host, found.port) == endpoint


@pytest.mark.req("TCP-01")
@pytest.mark.parametrize(
    "text",
    [
        "/ip4/1.2.3.4",
        "/tcp/1",
        "/tcp/1/ip4/1.2.3.4",
        "/ip4/1.2.3.4/udp/1",
        "/ip4/1.2.3.4/udp/1/quic-v1",
        "/ip4/1.2.3.4/tcp/1/ws",
        "/ip4/1.2.3.4/tcp/1/tls",
        "/ip4/1.2.3.4/tcp/1/tcp/2",
        f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit",
        f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p/{PEER}",
        f"/p2p/{PEER}",
        "/dnsaddr/bootstrap.libp2p.io",
        "/dnsaddr/bootstrap.libp2p.io/tcp/1",
        "/ip6zone/eth0/ip6/fe80::1/tcp/1",
        "/memory/1",
    ],
)
def test_other_addresses_are_no_tcp_endpoint(text: str) -> None:
    with pytest.raises(DecodeError, match="no plain TCP address") as caught:
        multiaddrs.tcp_endpoint(parse(text))
    assert caught.value.requirement == "TCP-01"


@pytest.mark.req("TCP-01")
def test_addresses_that_were_not_parsed_give_no_endpoint() -> None:
    for data in ("", "3501800600010000", "350180060001", "06"):
        with pytest.raises(DecodeError):
            multiaddrs.tcp_endpoint(Multiaddr(bytes.fromhex(data)))
    with pytest.raises(DecodeError, match="not UTF-8"):
        multiaddrs.is_public(Multiaddr(bytes.fromhex("350180")))


@pytest.mark.parametrize(
    ("sockaddr", "text"),
    [
        (("192.0.2.1", 80), "/ip4/192.0.2.1/tcp/80"),
        (("::1", 65535, 0, 0), "/ip6/::1/tcp/65535"),
        (("::ffff:192.0.2.1", 1, 0, 0), "/ip4/192.0.2.1/tcp/1"),
        (("fe80::1%eth0", 1, 0, 2), "/ip6/fe80::1/tcp/1"),
        (("fe80::1", 1, 0, 2), "/ip6/fe80::1/tcp/1"),
        (("0.0.0.0", 0), "/ip4/0.0.0.0/tcp/0"),
        (["2001:db8::1", 9], "/ip6/2001:db8::1/tcp/9"),
    ],
)
def test_addresses_of_sockets(sockaddr: object, text: str) -> None:
    address = multiaddrs.from_sockaddr(sockaddr)
    assert address == parse(text)
    assert str(address) == text


def test_the_address_of_a_real_socket() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        endpoint = multiaddrs.tcp_endpoint(multiaddrs.from_sockaddr(listener.getsockname()))
    assert endpoint == TcpEndpoint("ip4", "127.0.0.1", port)


@pytest.mark.parametrize(
    "sockaddr",
    [
        None,
        "",
        "/run/socket",
        b"\x00abstract",
        (),
        ("1.2.3.4",),
        ("name", 1),
        ("1.2.3.4", 65536),
        ("1.2.3.4", -1),
        ("1.2.3.4", "80"),
        (5, 1),
        7,
    ],
)
def test_other_sockets_have_no_address(sockaddr: object) -> None:
    with pytest.raises(DecodeError, match="no internet address"):
        multiaddrs.from_sockaddr(sockaddr)


@pytest.mark.req("ENV-08")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/ip4/127.0.0.1/tcp/1", "loopback"),
        ("/ip4/127.9.9.9/tcp/1", "loopback"),
        ("/ip6/::1/tcp/1", "loopback"),
        ("/ip6/::ffff:127.0.0.1/tcp/1", "loopback"),
        ("/dns/localhost/tcp/1", "loopback"),
        ("/dns4/a.LOCALHOST./tcp/1", "loopback"),
        ("/ip4/10.1.2.3/tcp/1", "private"),
        ("/ip4/172.31.255.255/tcp/1", "private"),
        ("/ip4/192.168.0.1/tcp/1", "private"),
        ("/ip4/100.64.0.1/tcp/1", "private"),
        ("/ip4/169.254.1.1/tcp/1", "private"),
        ("/ip6/fd00::1/tcp/1", "private"),
        ("/ip6/fe80::1/tcp/1", "private"),
        ("/ip6zone/eth0/ip6/fe80::1/tcp/1", "private"),
        ("/ip6/::ffff:10.0.0.1/tcp/1", "private"),
        ("/ip6/64:ff9b::a00:1/tcp/1", "private"),
        ("/dns/printer.local/tcp/1", "private"),
        ("/dns/nas.home.arpa/tcp/1", "private"),
        ("/dns/db.internal/tcp/1", "private"),
        ("/ip4/8.8.8.8/tcp/1", "public"),
        ("/ip4/172.32.0.1/tcp/1", "public"),
        ("/ip6/2606:4700::1/tcp/1", "public"),
        ("/ip6/::ffff:8.8.8.8/tcp/1", "public"),
        ("/ip6/64:ff9b::808:808/tcp/1", "public"),
        ("/ip6/2002:808:808::1/tcp/1", "public"),
        ("/dns/libp2p.io/tcp/1", "public"),
        ("/dnsaddr/bootstrap.libp2p.io", "public"),
        ("/dns/notlocal/tcp/1", "public"),
        (f"/ip4/8.8.8.8/tcp/1/p2p/{PEER}/p2p-circuit", "public"),
        ("/ip4/0.0.0.0/tcp/1", "none"),
        ("/ip6/::/tcp/1", "none"),
        ("/ip4/192.0.2.1/tcp/1", "none"),
        ("/ip4/224.0.0.251/udp/5353", "none"),
        ("/ip4/240.0.0.1/tcp/1", "none"),
        ("/ip4/255.255.255.255/tcp/1", "none"),
        ("/ip6/ff02::fb/udp/5353", "none"),
        ("/ip6/ff0e::1/udp/5353", "none"),
        ("/ip6/2001:db8::1/tcp/1", "none"),
        ("/ip6/4000::1/tcp/1", "none"),
        ("/ip6/fec0::1/tcp/1", "none"),
        ("/ip6/2002:a00:1::1/tcp/1", "none"),
        ("/ip6/2002:7f00:1::1/tcp/1", "none"),
        ("/dns/a.test/tcp/1", "none"),
        ("/dns/a.onion/tcp/1", "none"),
        (f"/p2p/{PEER}", "none"),
        ("/memory/1", "none"),
        ("/ip6zone/eth0", "none"),
    ],
)
def test_kinds_of_networks(text: str, kind: str) -> None:
    address = parse(text)
    assert multiaddrs.is_loopback(address) is (kind == "loopback")
    assert multiaddrs.is_private(address) is (kind == "private")
    assert multiaddrs.is_public(address) is (kind == "public")
