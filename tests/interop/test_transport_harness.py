"""libp2p's transport-interop: dialer and listener of either kind, which find each other through a real Redis."""

from __future__ import annotations

import pytest

from tests.interop.harness import Peers
from tests.interop.official import client, result
from tests.interop.redis import redis_server

pytestmark = [pytest.mark.interop, pytest.mark.deadline(60)]

VERB = "transport-interop"
PAIRS = [("p2pstack", "p2pstack"), ("p2pstack", "go"), ("go", "p2pstack")]


@pytest.mark.parametrize(("dialer", "listener"), PAIRS, ids=[f"{a}-dials-{b}" for a, b in PAIRS])
async def test_a_dialer_pings_a_listener(peers: Peers, dialer: str, listener: str) -> None:
    async with redis_server() as redis:
        common = {"transport": "tcp", "muxer": "yamux", "security": "noise", "ip": "127.0.0.1", "redis_addr": redis}
        common |= {"test_timeout_seconds": "30"}
        async with (
            client(peers, listener, VERB, {**common, "is_dialer": "false"}) as listening,
            client(peers, dialer, VERB, {**common, "is_dialer": "true"}) as dialing,
        ):
            found = await result(dialing)
            assert listening.running
    assert set(found) == {"handshakePlusOneRTTMillis", "pingRTTMilllis"}
    assert 0 < found["pingRTTMilllis"] < found["handshakePlusOneRTTMillis"] < 10_000


async def test_several_pairs_share_a_redis_by_their_keys(peers: Peers) -> None:
    async with redis_server() as redis:
        common = {"TRANSPORT": "tcp", "MUXER": "yamux", "SECURE_CHANNEL": "noise", "LISTENER_IP": "127.0.0.1"}
        common |= {"REDIS_ADDR": redis, "DEBUG": "true"}
        for key in ("a5b50d5e", "00c0ffee"):
            named = {**common, "TEST_KEY": key}
            async with (
                client(peers, "p2pstack", VERB, {**named, "IS_DIALER": "true"}) as dialing,
                client(peers, "p2pstack", VERB, {**named, "IS_DIALER": "false"}),
            ):
                assert await dialing.finish() == 0
            printed = [line for line in dialing.errors if line.startswith("(stdout) ")]
            assert [line.partition(":")[0] for line in printed] == [
                "(stdout) latency", "(stdout)   handshake_plus_one_rtt", "(stdout)   ping_rtt", "(stdout)   unit"
            ]  # fmt: skip
