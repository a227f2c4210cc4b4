"""The harness itself, tried on two peers that are known to get on with each other, and on programs that misbehave."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.interop import harness
from tests.interop.harness import Peer, PeerFailed, Peers, command_of

GO_AND_RUST = pytest.mark.parametrize(("dialer", "listener"), [("go", "rust"), ("rust", "go")])


@pytest.mark.interop
@GO_AND_RUST
async def test_peers_that_need_no_proof_pass(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        assert len((await peers.dial(dialer, node.address, "ping", "--count", 3))["rtts_us"]) == 3
        assert (await peers.dial(dialer, node.address, "echo", "--size", 100_000, "--streams", 2))["bytes"] == 200_000
        assert (await peers.dial(dialer, node.address, "identify"))["peer"] == node.peer_id
        assert "connection" in await node_error(peers, dialer, node)


async def node_error(peers: Peers, dialer: str, node: Peer) -> str:
    return (await peers.dial_in_vain(dialer, "/ip4/127.0.0.1/tcp/1/p2p/" + node.peer_id, "ping")).lower()


@pytest.mark.interop
@GO_AND_RUST
async def test_a_peer_that_fails_is_reported_with_what_it_printed(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        with pytest.raises(PeerFailed, match=r'(?s)dial .*failed\n.*"event": "error"'):
            await peers.dial(dialer, node.address, "nonsense")
        with pytest.raises(PeerFailed, match="should have failed"):
            await peers.dial_in_vain(dialer, node.address, "ping")
        with pytest.raises(PeerFailed, match=r"no miracle event .*within 0\.01 s(?s:.)*\"listening\""):
            await node.event("miracle", seconds=0.01)
    assert "--- " + dialer in peers.transcript()


async def script(text: str) -> Peer:
    return await Peer.start([sys.executable, "-c", text], "script")


async def test_what_is_no_event_goes_to_the_transcript() -> None:
    peer = await script(
        "import sys; print('hello'); print('[1]'); print('{\"event\":\"x\"}'); print('oops', file=sys.stderr)"
    )
    assert await peer.finish() == 0
    assert peer.events == [{"event": "x"}]
    assert set(peer.errors) == {"(stdout) hello", "(stdout) [1]", "oops"}
    assert "ended with status 0" in peer.transcript()
    assert "stderr: oops" in peer.transcript()


async def test_waiting_for_an_event_ends_with_the_process() -> None:
    peer = await script("import sys; sys.exit('gave up')")
    with pytest.raises(PeerFailed, match="ended with no listening event"):
        await peer.event("listening")
    assert await peer.stop() == 1


async def test_stdin_then_sigterm_then_sigkill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "STOP_SECONDS", 0.3)
    polite = await script('import sys; print(\'{"event":"up"}\', flush=True); sys.stdin.read(); sys.exit(7)')
    await polite.event("up")
    assert await polite.stop() == 7
    deaf = await script('import time; print(\'{"event":"up"}\', flush=True); time.sleep(60)')
    await deaf.event("up")
    assert await deaf.stop() == -15
    stubborn = await script(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        'print(\'{"event":"up"}\', flush=True); time.sleep(60)'
    )
    await stubborn.event("up")
    assert await stubborn.stop() == -9


async def test_long_outputs_are_shown_in_part() -> None:
    peer = await script('for n in range(100): print(\'{"event":"tick","n":%d}\' % n)')
    assert await peer.finish() == 0
    assert peer.count("tick") == 100
    assert "(60 lines more before)" in peer.transcript()
    assert '"n": 99' in peer.transcript()
    assert '"n": 59' not in peer.transcript()


def test_commands() -> None:
    assert command_of("p2pstack", {}) == [sys.executable, "-m", "p2pstack", "peer"]
    assert command_of("go", {"go": Path("/somewhere/go")}) == ["/somewhere/go"]
    with pytest.raises(LookupError, match="among the test's parameters"):
        command_of("rust", {})


async def test_peers_are_started_behind_a_prefix() -> None:
    peers = Peers({})
    inside = peers.behind(["env", "-u", "PATH"])
    assert inside.command("p2pstack") == ["env", "-u", "PATH", *peers.command("p2pstack")]
    async with inside.listen("p2pstack") as node:
        assert node.peer_id
    assert peers.started == [node]
