"""The table of who is registered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LimitExceeded
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.relayer.registrations import Registrations, claim_of, key_of
from tests.shinkai.relayer.people import ALICE, BOB, LOCAL, name_of, record


def peer(number: int) -> PeerId:
    return NodeKeys.unsafe_deterministic(number).signature.peer_id


def enter(table: Registrations, number: int, name: str, now: float = 0.0) -> list[PeerId]:
    """Register the peer with this number; return whom it has replaced."""
    known = None if name == LOCAL else record(name, number)
    key = NodeKeys.unsafe_deterministic(number).signature.public_key
    made, replaced = table.register(peer(number), name_of(name), key, known, now)
    assert table.of(made.peer) == made
    return [] if replaced is None else [replaced.peer]


def names(table: Registrations) -> dict[str, set[PeerId]]:
    found: dict[str, set[PeerId]] = {}
    for each in table.all:
        found.setdefault(each.name.node_name, set()).add(each.peer)
    return found


@pytest.mark.req("SHK-101")
@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("shinkai-node-@@bob.shinkai", "@@bob.shinkai"),
        ("shinkai-node-@@BOB.sep-shinkai", "@@bob.sep-shinkai"),
        ("shinkai-node-@@bob.shinkai/main", "@@bob.shinkai"),
        ("my-node/@@bob.shinkai", "@@bob.shinkai"),
        ("shinkai-relayer/@@relay.sep-shinkai/1.1.20", "@@relay.sep-shinkai"),
        ("shinkai-node-@@localhost.sep-shinkai", "@@localhost.sep-shinkai"),
        ("p2pstack/shinkai-node-@@bob.shinkai", "@@bob.shinkai"),
    ],
)
def test_an_agent_claims_a_name(agent: str, name: str) -> None:
    claim = claim_of(agent)
    assert claim is not None
    assert claim.full_name == name


@pytest.mark.req("SHK-101")
@pytest.mark.parametrize(
    "agent",
    [
        "", "shinkai", "kubo/0.30", "go-libp2p/@@bob.x", "shinkai-node-bob.shinkai", "shinkai-node-@@bob",
        "shinkai-node-@@b-b.shinkai", "shinkai-node-@@", "shinkai-node-@@@@bob.shinkai", "shinkai-node-@@bob.shinkai\n",
        "shinkai-node-@@bob.shinkai and more",
    ],
)  # fmt: skip
def test_other_agents_claim_nothing(agent: str) -> None:
    assert claim_of(agent) is None


@pytest.mark.req("SHK-101")
@given(st.text() | st.text().map(lambda text: f"shinkai-node-@@{text}"))
def test_any_agent_is_read_without_an_error(agent: str) -> None:
    claim = claim_of(agent)
    assert claim is None or claim.node == claim


@pytest.mark.req("SHK-101")
def test_only_ed25519_keys_are_those_of_nodes() -> None:
    own = PrivateKey.generate()
    assert key_of(own.peer_id) == own.public_key
    assert key_of(PrivateKey.generate(KeyType.SECP256K1).peer_id) is None
    assert key_of(PrivateKey.generate(KeyType.ECDSA).peer_id) is None


@pytest.mark.req("SHK-102")
def test_a_name_has_one_holder_and_the_last_one_wins() -> None:
    table = Registrations(max_named=10, max_local=10)
    assert enter(table, 1, ALICE) == []
    assert enter(table, 2, BOB) == []
    assert enter(table, 3, ALICE) == [peer(1)]
    assert names(table) == {ALICE: {peer(3)}, BOB: {peer(2)}}
    holder = table.holder(name_of(ALICE))
    assert holder is not None
    assert holder.peer == peer(3)
    assert table.of(peer(1)) is None


@pytest.mark.req("SHK-102")
def test_a_peer_has_one_name_and_the_last_one_wins() -> None:
    table = Registrations(max_named=10, max_local=10)
    enter(table, 1, ALICE, now=1.0)
    assert enter(table, 1, BOB, now=2.0) == []
    assert names(table) == {BOB: {peer(1)}}
    assert table.holder(name_of(ALICE)) is None
    enter(table, 1, LOCAL, now=3.0)
    assert (table.named, table.local) == (0, 1)
    assert table.holder(name_of(BOB)) is None
    enter(table, 1, BOB, now=4.0)
    assert (table.named, table.local, len(table)) == (1, 0, 1)


@pytest.mark.req("SHK-102")
def test_a_registration_that_is_repeated_stays_the_same() -> None:
    table = Registrations(max_named=1, max_local=1)
    enter(table, 1, ALICE, now=1.0)
    assert enter(table, 1, ALICE, now=9.0) == []
    found = table.of(peer(1))
    assert found is not None
    assert (found.since, found.local) == (1.0, False)


@pytest.mark.req("SHK-101", "SHK-102")
def test_nodes_without_a_name_are_told_apart_by_their_peer_ids() -> None:
    table = Registrations(max_named=10, max_local=2)
    assert enter(table, 1, LOCAL) == []
    assert enter(table, 2, LOCAL) == []
    assert names(table) == {LOCAL: {peer(1), peer(2)}}
    assert table.holder(name_of(LOCAL)) is None
    gone = table.unregister(peer(1))
    assert gone is not None
    assert gone.local
    assert names(table) == {LOCAL: {peer(2)}}


@pytest.mark.req("SHK-110")
def test_the_table_is_bounded_and_a_refusal_changes_nothing() -> None:
    table = Registrations(max_named=1, max_local=1)
    enter(table, 1, ALICE)
    enter(table, 2, LOCAL)
    with pytest.raises(LimitExceeded, match="max_named"):
        enter(table, 3, BOB)
    with pytest.raises(LimitExceeded, match="max_local"):
        enter(table, 3, LOCAL)
    with pytest.raises(LimitExceeded, match="max_named"):
        enter(table, 2, BOB)
    with pytest.raises(LimitExceeded, match="max_local"):
        enter(table, 1, LOCAL)
    assert names(table) == {ALICE: {peer(1)}, LOCAL: {peer(2)}}
    # Whoever takes the place of another needs no further one.
    assert enter(table, 3, ALICE) == [peer(1)]
    assert enter(table, 3, BOB) == []
    assert names(table) == {BOB: {peer(3)}, LOCAL: {peer(2)}}


@pytest.mark.req("SHK-102")
def test_nobody_is_unregistered_twice() -> None:
    table = Registrations(max_named=1, max_local=1)
    enter(table, 1, ALICE)
    gone = table.unregister(peer(1))
    assert gone is not None
    assert gone.name == name_of(ALICE)
    assert table.unregister(peer(1)) is None
    assert len(table) == 0


@pytest.mark.req("SHK-102", "SHK-110")
@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from([ALICE, BOB, LOCAL, ""]))))
def test_whatever_comes_names_and_peers_fit_each_other(steps: list[tuple[int, str]]) -> None:
    table = Registrations(max_named=2, max_local=2)
    for number, name in steps:
        if not name:
            table.unregister(peer(number))
            continue
        try:
            enter(table, number, name)
        except LimitExceeded:
            assert table.local == 2 or table.named == 2
    assert table.named <= 2
    assert table.local <= 2
    for each in table.all:
        assert each.local or table.holder(each.name) == each
