from __future__ import annotations

import sys

import pytest

from benchmarks.processes import Peer, RunFailed, listener, run_peer

LISTEN = 'print(\'{"event": "listening", "addr": "/here"}\', flush=True); import sys; sys.stdin.read()'


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_an_event_is_found_among_other_lines() -> None:
    code = 'print(\'hello\'); print(\'[1]\'); print(\'{"event": "other"}\'); print(\'{"event": "done", "n": 3}\')'
    assert run_peer(python(code), None, "done", 20)["n"] == 3


def test_a_listener_that_is_asked_to_end_has_the_last_word() -> None:
    with listener(python(LISTEN + '; print(\'{"event": "summary", "n": 3}\')')) as (peer, _):
        peer.close_stdin()
        assert peer.wait_for("summary", 20)["n"] == 3


def test_a_listener_runs_until_it_is_left_and_can_be_looked_at() -> None:
    with listener(python(LISTEN)) as (peer, address):
        assert address == "/here"
        assert peer.rss_kib() > 1000
        assert peer.descriptors() >= 3
        assert peer.cpu_seconds() >= 0
        assert peer.wait_until(lambda: True, 1, "truth") < 1
    with pytest.raises(RunFailed, match="has ended"):
        peer.rss_kib()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ('print(\'{"event": "error", "error": "no route"}\')', "no route"),
        ("raise SystemExit('broken pipe')", "ended with status 1: broken pipe"),
        ("pass", "ended with status 0"),
    ],
)
def test_a_failure_has_its_reason(code: str, reason: str) -> None:
    with pytest.raises(RunFailed, match=reason):
        run_peer(python(code), None, "done", 20)
    with pytest.raises(RunFailed, match=reason), listener(python(code)):
        pytest.fail("it does not listen")


def test_deadlines_end_what_hangs() -> None:
    with Peer(python(LISTEN)) as peer:
        with pytest.raises(RunFailed, match="no done event within"):
            peer.wait_for("done", 0.05)
        with pytest.raises(RunFailed, match="no done event within"):
            peer.finish("done", 0.05)
        with pytest.raises(RunFailed, match="5 connections not reached"):
            peer.wait_until(lambda: False, 0.05, "5 connections")


def test_a_command_that_does_not_exist_is_a_failure() -> None:
    with pytest.raises(RunFailed, match="can't start /no/such/peer"):
        run_peer(["/no/such/peer"], None, "done", 1)
