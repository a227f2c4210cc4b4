from __future__ import annotations

import pytest

from p2pstack.identity.multiaddrs import parse
from p2pstack.kad.groups import groups_of


@pytest.mark.req("KAD-21")
@pytest.mark.parametrize(
    ("texts", "groups"),
    [
        (["/ip4/8.8.8.8/tcp/1", "/ip4/8.8.4.4/udp/1/quic-v1"], ["0808"]),
        (["/ip6/2a02:1234:5678::1/tcp/1", "/ip4/8.8.8.8/tcp/1"], ["0808", "2a021234"]),
        (["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/192.168.1.1/tcp/1", "/ip6/::1/tcp/1"], []),
        (["/dns4/example.com/tcp/1", "/dnsaddr/example.com"], []),
        (["/ip4/8.8.8.8/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"], ["0808"]),
        ([], []),
    ],
)
def test_groups(texts: list[str], groups: list[str]) -> None:
    assert [each.hex() for each in groups_of(map(parse, texts))] == groups
