"""``p2pstack transport-interop``: what the environment says, and both roles, with a Redis in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from time import monotonic

import pytest

from p2pstack.cli import harness_transport, program
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_transport import Settings, _reachable, play, read_settings
from p2pstack.errors import DialError
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.standard import Host
from tests.aio.shell import until
from tests.cli.fake_redis import FakeRedis, serving
from tests.project.sources import ROOT

OLD = {
    "transport": "tcp",
    "muxer": "yamux",
    "security": "noise",
    "is_dialer": "true",
    "ip": "127.0.0.1",
    "redis_addr": "127.0.0.1:6390",
    "test_timeout_seconds": "20",
    "version": "p2pstack-v0.1",
}
NEW = {
    "TRANSPORT": "tcp",
    "MUXER": "yamux",
    "SECURE_CHANNEL": "noise",
    "IS_DIALER": "false",
    "LISTENER_IP": "127.0.0.1",
    "REDIS_ADDR": "redis",
    "TEST_TIMEOUT_SECS": "30",
    "TEST_KEY": "a5b50d5e",
    "DEBUG": "true",
}


def settings(redis: FakeRedis, *, dialer: bool, seconds: float = 20, key: str = "listenerAddr") -> Settings:
    return Settings(
        dialer=dialer,
        address="/ip4/127.0.0.1/tcp/0",
        redis=redis.endpoint,
        seconds=seconds,
        key=key,
        yaml=key != "listenerAddr",
        verbose=False,
    )


def test_the_spelling_of_test_plans() -> None:
    assert read_settings(OLD) == Settings(
        dialer=True,
        address="/ip4/127.0.0.1/tcp/0",
        redis=("127.0.0.1", 6390),
        seconds=20,
        key="listenerAddr",
        yaml=False,
        verbose=False,
    )


def test_the_spelling_of_unified_testing() -> None:
    assert read_settings(NEW) == Settings(
        dialer=False,
        address="/ip4/127.0.0.1/tcp/0",
        redis=("redis", 6379),
        seconds=30,
        key="a5b50d5e_listener_multiaddr",
        yaml=True,
        verbose=True,
    )


def test_what_is_empty_is_as_what_is_missing() -> None:
    few = {"transport": "tcp", "muxer": "yamux", "security": "noise", "is_dialer": "false", "ip": "", "TEST_KEY": ""}
    found = read_settings({**few, "redis_addr": "", "REDIS_ADDR": "other:1"})
    assert (found.address, found.redis, found.seconds) == ("/ip4/0.0.0.0/tcp/0", ("other", 1), 180)
    assert (found.key, found.yaml, found.verbose) == ("listenerAddr", False, False)
    assert read_settings(few).redis == ("redis", 6379)
    assert read_settings({**few, "ip": "::"}).address == "/ip6/::/tcp/0"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"transport": "quic-v1"}, "transport is 'quic-v1', and only 'tcp' is spoken here"),
        ({"security": "tls"}, "only 'noise'"),
        ({"muxer": ""}, "muxer is '', and only 'yamux'"),
        ({"is_dialer": ""}, "is_dialer is ''"),
        ({"is_dialer": "True"}, "is_dialer is 'True'"),
        ({"test_timeout_seconds": "0"}, "test_timeout_seconds is '0'"),
        ({"test_timeout_seconds": "1e3"}, "test_timeout_seconds is '1e3'"),
        ({"test_timeout_seconds": "86401"}, "test_timeout_seconds is '86401'"),
        ({"redis_addr": "redis:"}, "no address of Redis"),
    ],
)
def test_what_is_not_understood(change: dict[str, str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        read_settings({**OLD, **change})


def test_a_loopback_address_is_the_last_choice() -> None:
    loopback, other = parse("/ip4/127.0.0.1/tcp/1"), parse("/ip4/192.0.2.1/tcp/1")
    assert _reachable([loopback, other]) == other
    assert _reachable([loopback]) == loopback
    with pytest.raises(CommandError, match="no address"):
        _reachable([])


@contextlib.contextmanager
def listening(redis: FakeRedis, key: str) -> Iterator[asyncio.Task[None]]:
    task = asyncio.create_task(play(settings(redis, dialer=False, key=key)))
    yield task
    task.cancel()


@pytest.mark.parametrize("key", ["listenerAddr", "a5b50d5e_listener_multiaddr"])
async def test_a_dialer_finds_a_listener(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(FakeRedis()) as redis:
        with listening(redis, key) as listener:
            started = monotonic()
            await play(settings(redis, dialer=True, key=key))
            spent = (monotonic() - started) * 1e3
            assert not listener.done(), "it stays until it is ended"
        await asyncio.wait([listener])
        assert listener.cancelled()
        pushed = [words for words in redis.commands if words[0] == "RPUSH"]
    assert [words[1] for words in pushed] == [key]
    assert pushed[0][2].startswith("/ip4/127.0.0.1/tcp/")
    assert "/p2p/12D3KooW" in pushed[0][2]
    out, err = capsys.readouterr()
    assert err == ""
    if key == "listenerAddr":
        found = json.loads(out)
        assert list(found) == ["handshakePlusOneRTTMillis", "pingRTTMilllis"]
        both, ping = found.values()
    else:
        lines = out.splitlines()
        assert (lines[0], lines[3]) == ("latency:", "  unit: ms")
        both = float(lines[1].removeprefix("  handshake_plus_one_rtt: "))
        ping = float(lines[2].removeprefix("  ping_rtt: "))
    assert 0 < ping < both < spent


async def test_a_listener_that_nobody_ends_has_failed() -> None:
    async with serving(FakeRedis()) as redis:
        with pytest.raises(CommandError, match=r"nobody has ended this listener within 0\.2 s"):
            await play(settings(redis, dialer=False, seconds=0.2))
        assert len(redis.lists["listenerAddr"]) == 1


async def test_a_dialer_without_a_listener_has_failed() -> None:
    async with serving(FakeRedis()) as redis:
        with pytest.raises(CommandError, match="nobody has told listenerAddr"):
            await play(settings(redis, dialer=True, seconds=0.2))


async def test_a_listener_that_is_gone() -> None:
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as gone:
        [address] = gone.full_addresses
    async with serving(FakeRedis()) as redis:
        redis.lists["listenerAddr"].append(str(address).encode())
        with pytest.raises(DialError, match="refused"):
            await play(settings(redis, dialer=True))


async def test_two_processes_as_a_runner_starts_them() -> None:
    async with serving(FakeRedis()) as redis:
        environment = {**os.environ, **OLD, "redis_addr": f"127.0.0.1:{redis.port}", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "p2pstack", "transport-interop"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        listener = await asyncio.create_subprocess_exec(*command, env={**environment, "is_dialer": "false"}, **pipes)
        try:
            dialer = await asyncio.create_subprocess_exec(*command, env=environment, **pipes)
            out, err = await dialer.communicate()
            assert (dialer.returncode, err) == (0, b"")
            assert json.loads(out)["pingRTTMilllis"] > 0
            assert listener.returncode is None
        finally:
            listener.terminate()
            assert await listener.communicate() == (b"", b"")


def test_it_is_a_program_of_its_own_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (*OLD, *NEW):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(program.sys, "argv", ["p2pstack-transport-interop"])
    assert program.transport_interop() == 1
    assert "transport is ''" in capsys.readouterr().err


def test_debug_lets_the_library_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[object] = []
    for name, value in {**NEW, "REDIS_ADDR": "127.0.0.1:1", "TEST_TIMEOUT_SECS": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(harness_transport.logging, "basicConfig", lambda **words: levels.append(words["level"]))
    monkeypatch.setattr(program.sys, "argv", ["p2pstack-transport-interop"])
    assert program.transport_interop() == 1
    assert levels == [logging.DEBUG]


async def test_the_listener_answers_identify() -> None:
    async with serving(FakeRedis()) as redis:
        with listening(redis, "listenerAddr") as listener:
            await until(lambda: redis.lists["listenerAddr"])
            async with Host() as host:
                connection = await host.connect(redis.lists["listenerAddr"][0].decode())
                info = await host.identify.wait(connection, 5)
                assert {"/ipfs/ping/1.0.0", "/ipfs/id/1.0.0"} <= set(info.protocols)
        await asyncio.wait([listener])
