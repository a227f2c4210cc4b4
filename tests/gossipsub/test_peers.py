from __future__ import annotations

import pytest

from p2pstack.gossipsub.peers import Peer
from tests.gossipsub.network import FLOOD, V11, V13, peer


def test_what_was_agreed_on_later_counts() -> None:
    one = Peer(peer(1), V11, outbound=False, direct=False)
    assert (one.features.mesh, one.features.idontwant, one.outbound) == (True, False, False)
    one.update(V13, outbound=True)
    assert (one.protocol, one.features.extensions, one.outbound) == (V13, True, True)
    one.update(FLOOD, outbound=True)
    assert not one.features.mesh


@pytest.mark.req("GS11-14", "GS12-04")
def test_a_heartbeat_clears_what_is_counted() -> None:
    one = Peer(peer(1), V13, outbound=False, direct=False)
    one.ihave_rpcs = one.idontwant_rpcs = one.asked = one.served = 7
    one.new_heartbeat()
    assert (one.ihave_rpcs, one.idontwant_rpcs, one.asked, one.served) == (0, 0, 0, 0)


@pytest.mark.req("GS12-04")
def test_ids_that_are_not_wanted_are_forgotten_in_their_order() -> None:
    one = Peer(peer(1), V13, outbound=False, direct=False)
    one.unwanted = {b"a": 3, b"b": 3, b"c": 4}
    one.forget_unwanted(2)
    assert list(one.unwanted) == [b"a", b"b", b"c"]
    one.forget_unwanted(3)
    assert list(one.unwanted) == [b"c"]
    one.forget_unwanted(4)
    assert not one.unwanted


def test_two_objects_are_two_peers() -> None:
    one, other = (Peer(peer(1), V13, outbound=False, direct=False) for _ in range(2))
    assert one != other
    assert len({one, other}) == 2
