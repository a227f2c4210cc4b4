from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.cli.keyfiles import read_key, write_key
from p2pstack.cli.people_key import KINDS
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.names import key_from_node_name, key_from_secret
from tests.cli.commands import Commands

KEY = PrivateKey.from_seed(b"\x01" * 32)


@pytest.mark.parametrize("kind", KINDS)
def test_new_keys_of_each_kind(commands: Commands, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    [made] = commands.run("key", "new", path, "--type", kind, "--json").json
    key = read_key(path)
    assert made == {
        "file": str(path),
        "type": kind.upper(),
        "peer_id": str(key.peer_id),
        "cid": key.peer_id.to_cid(),
        "public_key": key.public_key.to_protobuf().hex(),
    }
    assert commands.run("key", "show", path, "--json").json == [made]
    assert commands.run("id", path).out == f"{key.peer_id}\n"


def test_what_people_see_of_a_key_is_not_its_secret(commands: Commands, tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_key(path, KEY)
    shown = commands.run("key", "show", path)
    assert (shown.status, shown.err) == (0, "")
    assert str(KEY.peer_id) in shown.out
    assert (b"\x01" * 32).hex() not in shown.out


def test_a_key_file_is_replaced_only_by_force(commands: Commands, tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_key(path, KEY)
    refused = commands.run("key", "new", path)
    assert (refused.status, read_key(path).peer_id) == (1, KEY.peer_id)
    assert "exists already" in refused.err
    assert commands.run("key", "new", path, "--force").status == 0
    assert read_key(path).peer_id != KEY.peer_id


def test_the_id_of_a_node_name_comes_with_a_loud_warning(commands: Commands) -> None:
    result = commands.run("id", "--node-name", "@@alice.shinkai")
    assert result.out == f"{key_from_node_name('@@alice.shinkai').peer_id}\n"
    assert result.err.count("WARNING") == 2
    assert "NOT SECRET" in result.err
    as_json = commands.run("id", "--node-name", "@@alice.shinkai", "--json")
    assert as_json.json == [{"peer_id": str(key_from_node_name("@@alice.shinkai").peer_id), "secret": False}]
    assert "NOT SECRET" in as_json.err


def test_the_id_of_a_secret_and_a_name(commands: Commands, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"s" * 32)
    result = commands.run("id", "--secret", path, "--name", "node", "--json")
    assert result.json == [{"peer_id": str(key_from_secret(b"s" * 32, "node").peer_id), "secret": True}]
    assert result.err == ""
    path.write_bytes(b"short")
    refused = commands.run("id", "--secret", path, "--name", "node")
    assert (refused.status, refused.out) == (1, "")
    assert "too short" in refused.err


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        ([], "is needed"),
        (["file", "--node-name", "x"], "is needed"),
        (["--secret", "file"], "go together"),
        (["--name", "x"], "go together"),
        (["nowhere"], "No such file"),
    ],
)
def test_an_id_of_nothing_or_of_two_things(commands: Commands, argv: list[str], complaint: str) -> None:
    result = commands.run("id", *argv)
    assert (result.status, result.out) == (1, "")
    assert complaint in result.err
