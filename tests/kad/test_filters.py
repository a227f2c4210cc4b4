from __future__ import annotations

import pytest

from p2pstack.identity.multiaddrs import parse
from p2pstack.kad.contacts import Contact
from p2pstack.kad.filters import Network, admit, allows
from tests.kad.making import peer

PUBLIC, PRIVATE, LOOPBACK = (parse(f"/ip4/{ip}/tcp/1") for ip in ("8.8.8.8", "192.168.1.2", "127.0.0.1"))


@pytest.mark.req("KAD-13")
@pytest.mark.parametrize(
    ("network", "allowed"),
    [
        (Network.ANY, (PUBLIC, PRIVATE, LOOPBACK)),
        (Network.PUBLIC, (PUBLIC,)),
        (Network.PRIVATE, (PRIVATE, LOOPBACK)),
    ],
)
def test_what_a_network_allows(network: Network, allowed: tuple[object, ...]) -> None:
    all_of_them = Contact(peer(1), (PUBLIC, PRIVATE, LOOPBACK))
    assert tuple(each for each in all_of_them.addresses if allows(network, each)) == allowed
    admitted = admit(network, all_of_them)
    assert admitted is not None
    assert admitted.addresses == allowed
    assert admit(network, admitted) is admitted


@pytest.mark.req("KAD-13")
def test_a_filter_leaves_nobody_whose_addresses_it_refuses() -> None:
    assert admit(Network.PUBLIC, Contact(peer(1), (PRIVATE,))) is None
    assert admit(Network.PRIVATE, Contact(peer(1), (PUBLIC,))) is None
    assert admit(Network.PUBLIC, Contact(peer(1))) is None
    assert admit(Network.ANY, Contact(peer(1))) == Contact(peer(1))
