from __future__ import annotations

import asyncio

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node import NodeConfig
from p2pstack.shinkai.node.libp2p import LibP2PHalf
from p2pstack.shinkai.node.ways import HeadWay, SeedWay
from tests.shinkai.node.pairs import BOB, QUICK, directory, new_node, pair, until


def half(profile: Profile, errors: list[str], config: NodeConfig = QUICK) -> LibP2PHalf:
    async def on_up(_: Profile, __: PeerId, ___: ShinkaiName) -> None:
        return

    async def on_answer(_: PeerId, __: ShinkaiMessage) -> None:
        return

    return LibP2PHalf(profile, config, on_error=errors.append, on_up=on_up, on_answer=on_answer)


@pytest.mark.req("SHK-97")
async def test_each_profile_is_a_way_and_both_are_two() -> None:
    async with new_node(BOB, directory(), profile=Profile.BOTH) as node:
        assert [type(way) for way in node._libp2p.ways()] == [HeadWay, SeedWay]
        status = await node.status()
        assert len(status.peer_ids) == len(set(status.peer_ids)) == 2
        ports = {address.split("/tcp/")[1].split("/")[0] for address in status.addresses}
        assert len(ports) == 2


async def test_a_half_that_was_never_started_closes() -> None:
    errors: list[str] = []
    it = half(Profile.HEAD, errors)
    assert it.ways() == []
    await it.close()
    assert errors == []


@pytest.mark.req("SHK-97")
async def test_a_relay_that_is_no_address_leaves_a_node_without_libp2p() -> None:
    async with new_node(BOB, directory(), relay="/nonsense") as node:
        assert node.libp2p_manager is None
        assert "nonsense" in node.libp2p_error


@pytest.mark.req("SHK-97")
async def test_a_task_that_ends_with_an_error_is_told() -> None:
    errors: list[str] = []
    it = half(Profile.HEAD, errors)
    it.managers = [None]  # type: ignore[list-item]
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(RuntimeError("broken"))
    it._ended(failed)  # type: ignore[arg-type]
    assert errors == ["its task has ended: broken"]


@pytest.mark.req("SHK-83")
async def test_a_peer_that_shows_up_is_tried() -> None:
    async with pair() as (alice, bob):
        parts = bob._parts
        assert parts is not None
        parts.ledger.backlog.add("@@alice.shinkai")
        await alice.send_text(BOB, "x")
        await until(lambda: not parts.ledger.backlog)
