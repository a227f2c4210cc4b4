from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.secret_file import read_secret
from p2pstack.cli.shinkai_settings import DEFAULT_NAME, Settings, keep_keys, open_directory, read_settings
from p2pstack.shinkai.directory.cache import CachedDirectory
from p2pstack.shinkai.directory.config import ChainConfig
from p2pstack.shinkai.directory.errors import InvalidIdentity
from p2pstack.shinkai.directory.file import FileDirectory
from p2pstack.shinkai.keys import NodeKeys, secret_to_hex
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.config import FindingConfig
from p2pstack.shinkai.network.profiles import Profile
from tests.cli.commands import options_of
from tests.cli.shinkai import ALICE, BOB

KEYS = NodeKeys.unsafe_deterministic(7)
SECRETS = {"IDENTITY_SECRET_KEY": secret_to_hex(KEYS.signature), "ENCRYPTION_SECRET_KEY": KEYS.encryption.to_hex()}


def settings(data: Path, *argv: object, **environ: str) -> Settings:
    return read_settings(options_of("node", "--data", data, *argv), environ)


def same(first: NodeKeys, second: NodeKeys) -> bool:
    return (first.signature.public_key, first.encryption.public) == (
        second.signature.public_key,
        second.encryption.public,
    )


def test_without_anything_it_is_as_the_original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_settings(options_of("node"), {})
    assert str(found.name) == DEFAULT_NAME
    assert (found.data, found.listen, found.profile) == (Path("storage"), "0.0.0.0:9552", Profile.HEAD)
    assert found.directory == Path("storage/directory.json")
    assert (found.peers, found.relay, found.proxy, found.ws) == ((), None, None, None)
    assert found.level == logging.WARNING
    assert found.config.libp2p


def test_keys_are_made_and_kept(tmp_path: Path) -> None:
    data = tmp_path / "new"
    first = settings(data, "--name", "alice")
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / ".secret").stat().st_mode & 0o777 == 0o600
    assert first.notes == [f"new keys, kept in {data / '.secret'}"]
    second = settings(data)
    assert str(second.name) == ALICE
    assert same(first.keys, second.keys)
    assert second.notes == []


def test_no_secret_file_keeps_nothing(tmp_path: Path) -> None:
    data = tmp_path / "new"
    found = settings(data, NO_SECRET_FILE="true")
    assert not data.exists()
    assert "not kept" in found.notes[0]
    assert not same(found.keys, settings(data, NO_SECRET_FILE="1").keys)
    assert not data.exists()


def test_keys_of_the_environment_are_not_written(tmp_path: Path) -> None:
    found = settings(tmp_path, **SECRETS, GLOBAL_IDENTITY_NAME=BOB)
    assert same(found.keys, KEYS)
    assert str(found.name) == BOB
    assert list(tmp_path.iterdir()) == []


def test_one_key_of_the_environment_is_completed(tmp_path: Path) -> None:
    given = {"IDENTITY_SECRET_KEY": SECRETS["IDENTITY_SECRET_KEY"]}
    found = settings(tmp_path, **given)
    assert found.keys.signature.public_key == KEYS.signature.public_key
    assert set(read_secret(tmp_path / ".secret")) == {"GLOBAL_IDENTITY_NAME", "ENCRYPTION_SECRET_KEY"}
    assert same(found.keys, settings(tmp_path, **given).keys)


def test_the_secret_file_wins_over_the_environment_and_arguments_over_both(tmp_path: Path) -> None:
    keep_keys(tmp_path, ShinkaiName.parse(ALICE), KEYS)
    other = NodeKeys.unsafe_deterministic(8)
    environ = {
        "GLOBAL_IDENTITY_NAME": BOB,
        "IDENTITY_SECRET_KEY": secret_to_hex(other.signature),
        "ENCRYPTION_SECRET_KEY": other.encryption.to_hex(),
    }
    found = settings(tmp_path, **environ)
    assert (str(found.name), same(found.keys, KEYS), found.notes) == (ALICE, True, [])
    renamed = settings(tmp_path, "--name", "@@carol.shinkai", **environ)
    assert str(renamed.name) == "@@carol.shinkai"
    assert "made for @@alice.shinkai" in renamed.notes[0]


def test_an_empty_name_is_none(tmp_path: Path) -> None:
    assert str(settings(tmp_path, **SECRETS, GLOBAL_IDENTITY_NAME="").name) == DEFAULT_NAME


def test_secrets_that_others_can_read_are_told_of(tmp_path: Path) -> None:
    path = keep_keys(tmp_path, ShinkaiName.parse(ALICE), KEYS)
    path.chmod(0o640)
    assert "chmod 600" in settings(tmp_path).notes[0]


def test_the_place_is_that_of_the_environment(tmp_path: Path) -> None:
    environ = {**SECRETS, "NODE_IP": "127.0.0.1", "NODE_PORT": "9900", "NODE_STORAGE_PATH": str(tmp_path / "place")}
    found = read_settings(options_of("node"), environ)
    assert (found.listen, found.data) == ("127.0.0.1:9900", tmp_path / "place")
    assert settings(tmp_path, NODE_IP="::1", **SECRETS).listen == "[::1]:9552"
    flags = read_settings(options_of("node", "--listen", "/ip4/127.0.0.1/tcp/1", "--data", tmp_path), environ)
    assert (flags.listen, flags.data) == ("/ip4/127.0.0.1/tcp/1", tmp_path)


def test_a_relay_is_a_multiaddr_or_a_name(tmp_path: Path) -> None:
    address = "/ip4/192.0.2.1/tcp/4001"
    assert settings(tmp_path, "--relay", address, PROXY_IDENTITY=BOB).relay == address
    assert settings(tmp_path, "--relay", address, PROXY_IDENTITY=BOB).proxy is None
    assert str(settings(tmp_path, "--relay", "relay").proxy) == "@@relay.shinkai"
    found = settings(tmp_path, PROXY_IDENTITY="@@relay.sep-shinkai")
    assert (found.relay, str(found.proxy)) == (None, "@@relay.sep-shinkai")
    wrong = settings(tmp_path, PROXY_IDENTITY="no name!")
    assert (wrong.relay, wrong.proxy) == (None, None)
    assert "PROXY_IDENTITY is ignored" in wrong.notes[-1]


@pytest.mark.req("SHK-121", "SHK-122")
def test_how_others_are_found(tmp_path: Path) -> None:
    first, second = "/ip4/192.0.2.1/tcp/4001", "/ip4/192.0.2.2/tcp/4001"
    names = "/dnsaddr/bootstrap.example.org"
    found = settings(tmp_path, "--bootstrap", first, "--peer", second, "--bootstrap", names)
    assert found.peers == (first, second, names)
    assert found.config.manager.finding == FindingConfig()
    named = ["--dht", "--dht-protocol", "/mine/kad/1.0.0", "--mdns", "--interface", "lo", "--interface", "eth0"]
    assert settings(tmp_path, *named).config.manager.finding == FindingConfig(
        dht=True, protocol="/mine/kad/1.0.0", mdns=True, interfaces=("lo", "eth0")
    )
    assert settings(tmp_path, "--no-dht").config.manager.finding.dht is False


@pytest.mark.parametrize(
    ("argv", "environ", "endpoints"),
    [
        ([], {"RPC_URL": "http://127.0.0.1:1"}, ("http://127.0.0.1:1",)),
        (["--rpc-url", "http://a", "--rpc-url", "https://b"], {"RPC_URL": "http://c"}, ("http://a", "https://b")),
        (["--rpc-url", "public"], {}, ChainConfig().endpoints),
        ([], {"CONTRACT_ADDRESS": "0x" + "1" * 40}, ChainConfig().endpoints),
    ],
)
async def test_the_registry_on_chain(
    tmp_path: Path, argv: list[str], environ: dict[str, str], endpoints: tuple[str, ...]
) -> None:
    found = settings(tmp_path, *argv, **environ)
    assert (found.directory, found.chain.endpoints) == (None, endpoints)
    assert found.chain.contract == environ.get("CONTRACT_ADDRESS", ChainConfig().contract)
    directory = await open_directory(found.directory, found.chain)
    assert isinstance(directory, CachedDirectory)
    await directory.close()


async def test_a_file_given_wins_over_the_registry_of_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    found = settings(tmp_path, "--directory", path, RPC_URL="http://127.0.0.1:1")
    assert found.directory == path
    assert isinstance(await open_directory(found.directory, found.chain), FileDirectory)
    path.write_text("[]")
    with pytest.raises(InvalidIdentity, match=r"people\.json"):
        await open_directory(found.directory, found.chain)


def test_limits_of_the_environment(tmp_path: Path) -> None:
    environ = {"MAX_CONNECTIONS": "7", "BURST_ALLOWANCE": "8", "MAX_CONNECTIONS_PER_IP": "9"}
    found = settings(tmp_path, "--no-libp2p", **environ, NETWORK_JOB_MANAGER_THREADS="3").config
    rate = found.tcp.rate
    assert (rate.per_second, rate.burst, rate.concurrent, found.job_workers, found.libp2p) == (7, 8, 9, 3, False)


@pytest.mark.parametrize(
    ("environ", "place", "notes"),
    [
        ({}, None, 0),
        ({"NODE_WS_PORT": "9700"}, ("127.0.0.1", 9700), 0),
        ({"NODE_WS_PORT": "9700", "NODE_IP": "::1"}, ("::1", 9700), 0),
        ({"NODE_WS_PORT": "9700", "NODE_IP": "0.0.0.0"}, ("127.0.0.1", 9700), 1),
    ],
)
def test_websocket_clients_come_from_this_machine(
    tmp_path: Path, environ: dict[str, str], place: Any, notes: int
) -> None:
    found = settings(tmp_path, **SECRETS, **environ)
    assert (found.ws, len(found.notes)) == (place, notes)
    assert settings(tmp_path, "--ws-port", 5, NODE_WS_PORT="6", **SECRETS).ws == ("127.0.0.1", 5)


@pytest.mark.parametrize(
    ("argv", "environ", "level"),
    [
        (["--log", "error"], {"RUST_LOG": "debug"}, logging.ERROR),
        ([], {"RUST_LOG": "hyper=info,Debug"}, logging.DEBUG),
        ([], {"RUST_LOG": "off"}, logging.CRITICAL + 1),
        ([], {"RUST_LOG": "shinkai_node=debug"}, logging.WARNING),
        ([], {"LOG_ALL": "1"}, logging.DEBUG),
    ],
)
def test_what_is_logged(tmp_path: Path, argv: list[str], environ: dict[str, str], level: int) -> None:
    assert settings(tmp_path, *argv, **environ).level == level


@pytest.mark.parametrize(
    ("argv", "environ", "complaint"),
    [
        (["--name", "no name!"], {}, "no Shinkai name"),
        ([], {"GLOBAL_IDENTITY_NAME": "@@a b.shinkai"}, "no Shinkai name"),
        ([], {"IDENTITY_SECRET_KEY": "5ecret"}, "64 hex digits each"),
        ([], {"ENCRYPTION_SECRET_KEY": "zz" * 32}, "64 hex digits each"),
        ([], {"NODE_PORT": "many"}, "NODE_PORT is no number: 'many'"),
        ([], {"MAX_CONNECTIONS": "0"}, "the environment asks for what can't work"),
        (["--relay", "no name!"], {}, "no Shinkai name"),
        (["--bootstrap", "192.0.2.1:9552"], {}, "no multiaddr"),
        (["--dht-protocol", "mine"], {}, "--dht-protocol: 'mine' is no protocol"),
        (["--rpc-url", "ftp://secret@host"], {}, "endpoints must be URLs"),
        ([], {"CONTRACT_ADDRESS": "0x1"}, "contract must be"),
    ],
)
def test_what_can_not_be_is_one_line(tmp_path: Path, argv: list[str], environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint) as caught:
        settings(tmp_path, *argv, **environ)
    for secret in ("5ecret", "zz", "secret@"):
        assert secret not in str(caught.value)
