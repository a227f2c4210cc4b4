"""``p2pstack hole-punch-interop``: what the environment says, and both clients up to where a NAT would come in."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.cli import harness_hole_punch, program
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_hole_punch import LISTENER, RELAY, Settings, _through, play, read_settings
from p2pstack.errors import DecodeError, DialError, P2PError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host
from tests.aio.shell import until
from tests.cli.fake_redis import FakeRedis, serving

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
PEER = PrivateKey.from_seed(bytes(32)).peer_id
OTHER = PrivateKey.from_seed(b"\1" * 32).peer_id


def test_settings() -> None:
    assert read_settings({"MODE": "dial", "TRANSPORT": "tcp"}) == Settings(dialer=True, redis=("redis", 6379))
    found = read_settings({"MODE": "listen", "TRANSPORT": "tcp", "REDIS_ADDR": "127.0.0.1:1"})
    assert found == Settings(dialer=False, redis=("127.0.0.1", 1))
    assert read_settings({"MODE": "dial", "TRANSPORT": "tcp", "REDIS_ADDR": ""}).redis == ("redis", 6379)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"MODE": ""}, "MODE is '', and neither dial nor listen"),
        ({"MODE": "Dial"}, "MODE is 'Dial'"),
        ({"TRANSPORT": "quic"}, "TRANSPORT is 'quic', and only 'tcp' is spoken here"),
        ({"REDIS_ADDR": "nowhere:"}, "no address of Redis"),
    ],
)
def test_what_is_not_understood(change: dict[str, str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        read_settings({"MODE": "dial", "TRANSPORT": "tcp", **change})


def test_the_way_through_the_relay() -> None:
    found = _through(parse(f"/ip4/192.0.2.1/tcp/4001/p2p/{OTHER}"), PEER)
    assert str(found) == f"/ip4/192.0.2.1/tcp/4001/p2p/{OTHER}/p2p-circuit/p2p/{PEER}"
    with pytest.raises(CommandError, match="without a peer id"):
        _through(parse("/ip4/192.0.2.1/tcp/4001"), PEER)


def settings(redis: FakeRedis, *, dialer: bool) -> Settings:
    return Settings(dialer=dialer, redis=redis.endpoint)


async def test_the_listener_reserves_and_tells_who_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    host = Host(listen=[LOOPBACK])
    relay = RelayServer(host)
    async with serving(FakeRedis()) as redis, host:
        redis.lists[RELAY].append(str(host.full_addresses[0]).encode())
        listening = asyncio.create_task(play(settings(redis, dialer=False)))
        await until(lambda: redis.lists[LISTENER] or listening.done())
        assert not listening.done(), listening.exception()
        [peer] = redis.lists[LISTENER]
        assert host.connections(PeerId.from_string(peer.decode()))
        assert relay.usage()["relay.max_reservations"].current == 1
        listening.cancel()
        await asyncio.wait([listening])
    out, err = capsys.readouterr()
    assert out == ""
    assert f"connected to the relay {host.peer_id}, which sees us at /ip4/127.0.0.1/tcp/" in err


async def test_a_listener_whose_relay_goes_has_failed() -> None:
    host = Host(listen=[LOOPBACK])
    RelayServer(host)
    async with serving(FakeRedis()) as redis:
        async with host:
            redis.lists[RELAY].append(str(host.full_addresses[0]).encode())
            listening = asyncio.create_task(play(settings(redis, dialer=False)))
            await until(lambda: redis.lists[LISTENER] or listening.done())
        with pytest.raises(CommandError, match="the reservation is lost"):
            await listening


@pytest.mark.parametrize("dialer", [True, False])
async def test_a_relay_that_is_none(dialer: bool) -> None:
    async with serving(FakeRedis()) as redis, Host(listen=[LOOPBACK]) as host:
        redis.lists[RELAY].append(str(host.full_addresses[0]).encode())
        redis.lists[LISTENER].append(str(PEER).encode())
        with pytest.raises(P2PError, match="supports none of"):
            await play(settings(redis, dialer=dialer))


async def test_a_relay_that_is_gone() -> None:
    async with serving(FakeRedis()) as redis:
        redis.lists[RELAY].append(f"/ip4/127.0.0.1/tcp/1/p2p/{PEER}".encode())
        with pytest.raises(DialError):
            await play(settings(redis, dialer=True))


async def test_values_that_are_none() -> None:
    async with serving(FakeRedis()) as redis, Host(listen=[LOOPBACK]) as host:
        redis.lists[RELAY].append(b"nonsense")
        with pytest.raises(DecodeError):
            await play(settings(redis, dialer=True))
        redis.lists[RELAY].append(str(host.full_addresses[0]).encode())
        redis.lists[LISTENER].append(b"nonsense")
        with pytest.raises(DecodeError):
            await play(settings(redis, dialer=True))


async def test_nobody_tells_where_the_relay_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness_hole_punch, "SECONDS", 0.5)
    async with serving(FakeRedis()) as redis:
        with pytest.raises(CommandError, match=f"nobody has told {RELAY}"):
            await play(settings(redis, dialer=True))


def test_it_is_a_program_of_its_own_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MODE", "neither")
    monkeypatch.setattr(program.sys, "argv", ["hole-punch-client"])
    assert program.hole_punch_interop() == 1
    assert "MODE is 'neither'" in capsys.readouterr().err
