"""libp2p's gossipsub-interop, scaled to one machine: go's nodes and ours do what one script says, on the loopback."""

from __future__ import annotations

import random
import sys
from itertools import permutations
from pathlib import Path

import pytest

from tests.interop.harness import Peers
from tests.interop.scenarios import command_of_ours, faults, play, read_logs, simple_fanout, subnet_blob

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.deadline(50),
    pytest.mark.skipif(sys.platform != "linux", reason="nodes are told apart by their loopback address"),
]

SHAPES = {"subnet-blob-msg": subnet_blob, "simple-fanout": simple_fanout}
NODES = 10
OTHERS = 4
SEED = 3

each_shape = pytest.mark.parametrize("shape", list(SHAPES))


@each_shape
@pytest.mark.parametrize("other", ["go", "p2pstack"], ids=["with-go", "alone"])
@pytest.mark.req("GS10-06", "GS10-10", "GS10-22")
async def test_every_message_reaches_all_nodes(peers: Peers, tmp_path: Path, shape: str, other: str) -> None:
    chance = random.Random(SEED)
    scenario = SHAPES[shape](NODES, chance)
    kinds = [other] * OTHERS + ["p2pstack"] * (NODES - OTHERS)
    chance.shuffle(kinds)
    own = command_of_ours()
    commands = {
        node: (kind, own if kind == "p2pstack" else [*peers.command(kind), "gossipsub-interop"])
        for node, kind in enumerate(kinds)
    }
    await play(scenario, commands, tmp_path)
    logs = read_logs(tmp_path)
    assert faults(scenario, logs) == []
    assert logs[0].peer_id == "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN", "its key is made of zeros"
    assert logs[1].peer_id == "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
    kind_of = {log.peer_id: log.kind for log in logs.values()}
    passed = {(kind_of[each.sender], log.kind) for log in logs.values() for each in log.received}
    assert set(permutations(set(kinds), 2)) <= passed, "each kind has given messages to the other"
