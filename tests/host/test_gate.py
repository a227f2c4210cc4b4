from __future__ import annotations

import contextlib
from typing import Any

import pytest

from p2pstack.errors import DialError, GatedError
from p2pstack.host.gate import ConnectionGate
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from tests.aio.shell import until
from tests.host.hosts import dialer, here, key, listener, used


class Gate(ConnectionGate):
    """Says no to one kind of question, and notes all of them."""

    def __init__(self, refuse: str = "") -> None:
        self.refuse = refuse
        self.asked: list[tuple[Any, ...]] = []

    def allow_dial(self, peer: PeerId | None, address: Multiaddr) -> bool:
        self.asked.append(("dial", peer, str(address)))
        return self.refuse != "dial"

    def allow_inbound(self, address: Multiaddr) -> bool:
        self.asked.append(("inbound", str(address)))
        return self.refuse != "inbound"

    def allow_peer(self, peer: PeerId, address: Multiaddr, direction: str) -> bool:
        self.asked.append(("peer", peer, str(address), direction))
        return self.refuse != "peer"


def test_the_gate_of_a_host_that_was_given_none_is_open_and_allows_everything() -> None:
    gate = ConnectionGate()
    peer, address = key(1).peer_id, parse("/ip4/192.0.2.1/tcp/1")
    assert gate.open
    assert not Gate().open
    assert gate.allow_dial(None, address)
    assert gate.allow_inbound(address)
    assert gate.allow_peer(peer, address, "inbound")


async def test_each_question_is_asked_once_with_what_is_known() -> None:
    accepting, dialling = Gate(), Gate()
    async with listener(gate=accepting) as one, dialer(gate=dialling) as two:
        connection = await two.connect(here(one))
        await until(one.connections)
        address = str(one.addresses[0])
        assert dialling.asked == [("dial", one.peer_id, address), ("peer", one.peer_id, address, "outbound")]
        source = str(connection.local_address)
        assert accepting.asked == [("inbound", source), ("peer", two.peer_id, source, "inbound")]


async def test_a_dial_to_nobody_in_particular_is_asked_for_as_such() -> None:
    gate = Gate()
    async with listener() as one, dialer(gate=gate) as two:
        await two.connect(one.addresses[0])
        assert gate.asked[0] == ("dial", None, str(one.addresses[0]))


@pytest.mark.parametrize("refuse", ["dial", "peer"])
async def test_what_the_dialling_side_s_gate_refuses_is_the_cause_of_a_failed_dial(refuse: str) -> None:
    async with listener() as one, dialer(gate=Gate(refuse)) as two:
        with pytest.raises(DialError) as caught:
            await two.connect(here(one))
        assert isinstance(caught.value.attempts[0][1], GatedError)
        await until(lambda: used(one) == used(two) == {})
        assert one.connections() == two.connections() == []


@pytest.mark.parametrize("refuse", ["inbound", "peer"])
@pytest.mark.req("GEN-01")
async def test_what_the_listening_side_s_gate_refuses_is_a_close_to_the_other_side(refuse: str) -> None:
    gate = Gate(refuse)
    async with listener(gate=gate) as one, dialer() as two:
        # The dialling side may see its connection open, and then end.
        with contextlib.suppress(DialError):
            connection = await two.connect(here(one))
            await connection.wait_closed()
        await until(lambda: used(one) == used(two) == {})
        assert one.connections() == []
        gate.refuse = ""
        async with dialer(3) as three:
            await three.connect(here(one))
            await until(one.connections)
