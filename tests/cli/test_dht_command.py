"""``p2pstack dht``, as people use it."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from p2pstack.cli import dht_command
from p2pstack.cli.output import Output
from p2pstack.identity.keys import PrivateKey
from p2pstack.kad.config import KadConfig
from p2pstack.services.kad.config import KademliaConfig
from tests.cli.commands import Commands, Console, options_of, start
from tests.services.hosts import LOOPBACK, until
from tests.services.kad.nodes import PROTOCOL, network, node


def entering(address: object) -> tuple[object, ...]:
    return ("--bootstrap", address, "--protocol", PROTOCOL)


async def test_peers_are_found_and_shown(commands: Commands) -> None:
    async with network(3) as nodes:
        way = entering(nodes[0][0].full_addresses[0])
        target = nodes[2][0]
        shown = await commands.beside("dht", "find-peer", target.peer_id, *way)
        assert (shown.status, shown.err) == (0, "")
        assert str(target.addresses[0]) in shown.out
        assert " requests, " in shown.out.splitlines()[-1]
        for key in ("some text", "0x00ff", str(target.peer_id)):
            [told] = (await commands.beside("dht", "closest", key, *way, "--json")).json
            assert len(told["peers"]) == told["requests"] == 3
            if key == str(target.peer_id):
                assert told["peers"][0]["peer_id"] == key


async def test_a_signed_value_goes_and_comes(commands: Commands, tmp_path: Path) -> None:
    key = PrivateKey.generate()
    file = tmp_path / "key"
    file.write_bytes(key.to_protobuf())
    async with network(3) as nodes:
        way = entering(nodes[0][0].full_addresses[0])
        for value in ("one", "two"):
            put = await commands.beside("dht", "put", "name", value, "--key", file, *way)
            assert put.status == 0, put.err
            assert "taken by 3 peers" in put.out
            await asyncio.sleep(0)
        got = await commands.beside("dht", "get", f"{key.peer_id}/name", *way)
        assert got.out.splitlines()[0] == "two"
        own = nodes[1][0]
        await nodes[1][1].put_value(b"/pk/" + own.peer_id.to_bytes(), own.key.public_key.to_protobuf())
        [told] = (await commands.beside("dht", "get", f"/pk/{own.peer_id}", *way, "--json")).json
        assert told["value"] == told["value_hex"] == own.key.public_key.to_protobuf().hex()
        missing = await commands.beside("dht", "get", f"{key.peer_id}/other", *way)
        assert missing.status == 1
        assert "no value was found" in missing.out


async def test_a_provider_stays_until_it_is_stopped(commands: Commands) -> None:
    async with network(2) as nodes:
        way = entering(nodes[0][0].full_addresses[0])
        content = b"\x12\x20" + sha256(b"book").digest()
        words = ("dht", "provide", "book", "--listen", "/ip4/127.0.0.1/tcp/0", *way, "--json")
        with start(*map(str, words)) as running:
            assert running.stdout is not None
            assert json.loads(await asyncio.to_thread(running.stdout.readline))["accepted"] == 2
            [told] = (await commands.beside("dht", "find-providers", f"0x{content.hex()}", *way, "--json")).json
            assert len(told["peers"]) == 1
            assert told["peers"][0]["addresses"]
            running.terminate()
            await asyncio.to_thread(running.communicate, timeout=20)
        assert running.returncode == 0


async def test_a_provider_that_stays_announces_itself_again(monkeypatch: pytest.MonkeyPatch, console: Console) -> None:
    soon = partial(KademliaConfig, kad=KadConfig(provider_interval=0.05))
    monkeypatch.setattr(dht_command, "KademliaConfig", soon)
    async with network(2) as nodes:
        way = entering(nodes[0][0].full_addresses[0])
        options = options_of("dht", "provide", "book", "--listen", LOOPBACK, *way)
        task = asyncio.create_task(dht_command._run(options, Output()))
        await console.line("until Ctrl-C")
        await until(lambda: all(dht.counters["served.ADD_PROVIDER"] >= 3 for _, dht in nodes))
        task.cancel()
        await asyncio.wait([task])


async def test_providers_up_to_a_count(commands: Commands) -> None:
    content = b"\x12\x20" + sha256(b"book").digest()
    async with network(4) as nodes:
        for _, dht in nodes[1:]:
            await dht.provide(content)
        way = entering(nodes[0][0].full_addresses[0])
        for count in (2, 20):
            [told] = (await commands.beside("dht", "find-providers", "book", "--count", count, *way, "--json")).json
            assert len(told["peers"]) == min(count, 3)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("find-peer", "nobody"), "no peer id"),
        (("closest", "0xyz"), "hex digits"),
        (("put", "name", "value"), "--key FILE"),
        (("get", "name"), "PEER_ID/NAME"),
        (("get", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/name"), "PEER_ID/NAME"),
    ],
)
def test_what_can_not_be_read(commands: Commands, words: tuple[str, ...], complaint: str) -> None:
    result = commands.run("dht", *words, "--bootstrap", "/ip4/127.0.0.1/tcp/9")
    assert result.status == 1
    assert complaint in result.err


async def test_a_dht_that_can_not_be_entered(commands: Commands) -> None:
    async with node() as (host, _):
        address = host.full_addresses[0]
        result = await commands.beside("dht", "closest", "x", "--bootstrap", address)
    assert result.status == 1
    assert "could not be entered" in result.err
