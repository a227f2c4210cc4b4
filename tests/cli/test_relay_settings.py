"""What ``p2pstack relay`` is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.relay_settings import RelaySettings, read_relay_settings
from p2pstack.relay.config import RelayConfig
from p2pstack.shinkai.keys import NodeKeys, secret_to_hex
from p2pstack.shinkai.relayer.config import RelayerConfig
from tests.cli.commands import options_of

KEYS = NodeKeys.unsafe_deterministic(7)
NAME = "@@relay.shinkai"


def settings(data: Path, *argv: object, **environ: str) -> RelaySettings:
    return read_relay_settings(options_of("relay", "--data", data, *argv), environ)


def test_without_more_than_a_name_it_is_as_the_original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_relay_settings(options_of("relay", "--name", NAME), {})
    assert (str(found.name), found.data, found.listen) == (NAME, Path("relay"), "/ip4/0.0.0.0/tcp/8080")
    assert found.directory == Path("relay/directory.json")
    assert (found.metrics, found.external) == (None, ())
    assert found.config == RelayerConfig()
    assert (tmp_path / "relay" / ".secret").exists()


def test_a_relay_has_a_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="NODE_NAME"):
        settings(tmp_path)
    assert not (tmp_path / ".secret").exists()


@pytest.mark.req("SHK-110")
def test_the_environment_of_the_original(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        NODE_NAME=NAME,
        PORT="9000",
        MAX_CONNECTIONS="20",
        PING_INTERVAL_SECS="3",
        IDENTITY_SECRET_KEY=secret_to_hex(KEYS.signature),
        ENCRYPTION_SECRET_KEY=KEYS.encryption.to_hex(),
        RPC_URL="http://127.0.0.1:1",
        STATUS_ENDPOINT_URL="http://127.0.0.1:2",
    )
    assert (str(found.name), found.listen) == (NAME, "/ip4/0.0.0.0/tcp/9000")
    assert found.keys.signature.public_key == KEYS.signature.public_key
    assert found.config.host.limits.connections == 20
    assert found.config.ping_interval == 3.0
    assert (found.directory, found.chain.endpoints) == (None, ("http://127.0.0.1:1",))
    assert [note.partition(" ")[0] for note in found.notes] == ["STATUS_ENDPOINT_URL"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.req("SHK-110")
def test_arguments_win_over_the_environment(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        *("--name", NAME, "--listen", "127.0.0.1:1", "--max-connections", 7, "--ping-interval", 5, "--log", "error"),
        *("--directory", tmp_path / "d.json"),
        NODE_NAME="@@other.shinkai",
        PORT="9000",
        MAX_CONNECTIONS="20",
        PING_INTERVAL_SECS="3",
        RPC_URL="http://127.0.0.1:1",
    )
    assert (str(found.name), found.listen) == (NAME, "/ip4/127.0.0.1/tcp/1")
    assert (found.config.host.limits.connections, found.config.ping_interval) == (7, 5.0)
    assert found.directory == tmp_path / "d.json"


@pytest.mark.req("SHK-110")
def test_every_limit_has_an_argument(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        *("--name", NAME, "--max-connections-per-ip", 2, "--max-named", 3, "--max-local", 4),
        *("--max-reservations", 5, "--max-reservations-per-ip", 6, "--max-circuits", 7, "--max-circuits-per-peer", 8),
        *("--reservation-seconds", 90, "--circuit-seconds", 10, "--messages-per-second", 11),
        *("--circuit-bytes", "12KiB", "--bandwidth", "3M", "--metrics", 9_100),
    ).config
    assert found.host.limits.connections_per_ip == 2
    assert (found.max_named, found.max_local, found.messages_per_second) == (3, 4, 11)
    relay: RelayConfig = found.relay
    assert (relay.max_reservations, relay.reservations_per_ip) == (5, 6)
    assert (relay.max_circuits, relay.circuits_per_peer) == (7, 8)
    assert (relay.reservation_lifetime, relay.circuit_duration, relay.circuit_bytes) == (90, 10, 12_288)
    assert found.incoming.per_second == found.outgoing.per_second == 3_000_000


@pytest.mark.req("SHK-121")
def test_it_answers_who_asks_where_others_are_unless_it_is_not_to(tmp_path: Path) -> None:
    other = "/ip4/192.0.2.1/tcp/8080"
    found = settings(tmp_path, "--name", NAME, "--bootstrap", other)
    assert (found.bootstrap, found.config.finding.dht) == ((other,), True)
    named = settings(tmp_path, "--name", NAME, "--dht-protocol", "/mine/kad/1.0.0")
    assert named.config.finding.protocol == "/mine/kad/1.0.0"
    assert settings(tmp_path, "--name", NAME, "--no-dht").config.finding.dht is False


def test_pings_can_be_switched_off(tmp_path: Path) -> None:
    for given in (settings(tmp_path, "--name", NAME, "--ping-interval", 0), settings(tmp_path, PING_INTERVAL_SECS="0")):
        assert given.config.ping_interval > 1e8


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1:8080", "/ip4/192.0.2.1/tcp/8080"),
        ("[2001:db8::1]:8080", "/ip6/2001:db8::1/tcp/8080"),
        ("relay.example.org:8080", "/dns/relay.example.org/tcp/8080"),
        ("/ip4/192.0.2.1/tcp/8080", "/ip4/192.0.2.1/tcp/8080"),
        (f"/ip4/192.0.2.1/tcp/8080/p2p/{KEYS.signature.peer_id}", "/ip4/192.0.2.1/tcp/8080"),
    ],
)
def test_where_it_is_reached_from_outside(tmp_path: Path, text: str, address: str) -> None:
    assert settings(tmp_path, "--name", NAME, "--external", text).external == (address,)


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        (["--external", "somewhere"], {}),
        (["--external", "/ip4/1"], {}),
        (["--bootstrap", "192.0.2.1:8080"], {}),
        (["--dht-protocol", "mine"], {}),
        (["--listen", "1.2.3.4"], {}),
        (["--name", "@@a-b.shinkai"], {}),
        ([], {"PORT": "many"}),
        ([], {"MAX_CONNECTIONS": "-1"}),
        (["--bandwidth", "0"], {}),
        (["--circuit-bytes", "0"], {}),
        (["--rpc-url", "ftp://x"], {}),
    ],
)
def test_what_it_can_not_be(tmp_path: Path, argv: list[str], environ: dict[str, str]) -> None:
    with pytest.raises(CommandError):
        settings(tmp_path, *(argv if "--name" in argv else ["--name", NAME, *argv]), **environ)
    assert list(tmp_path.iterdir()) == []
