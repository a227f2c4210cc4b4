from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2pstack.cli.secret_file import read_secret
from tests.cli.commands import Commands, start
from tests.cli.shinkai import ALICE, BOB, People

ADDRESS = "192.0.2.1:9552"


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(tmp_path)


def test_new_makes_keys_that_show_shows(tmp_path: Path, commands: Commands) -> None:
    data = tmp_path / "dave"
    made = commands.run("identity", "new", "--name", "dave", "--data", data, "--address", ADDRESS, "--json")
    assert (made.status, made.err) == (0, "")
    [told] = made.json
    assert (told["name"], told["address_or_proxy_nodes"], told["routing"]) == ("@@dave.shinkai", [ADDRESS], False)
    assert (data / ".secret").stat().st_mode & 0o777 == 0o600
    assert data.stat().st_mode & 0o777 == 0o700
    assert set(read_secret(data / ".secret")) == {
        "GLOBAL_IDENTITY_NAME",
        "IDENTITY_SECRET_KEY",
        "ENCRYPTION_SECRET_KEY",
    }
    assert commands.run("identity", "show", "--data", data, "--address", ADDRESS, "--json").json == [told]
    shown = commands.run("identity", "show", "--data", data)
    for part in ("@@dave.shinkai", told["signature_key"], told["encryption_key"], told["peer_id"], "reached at"):
        assert part in shown.out
    for secret in (read_secret(data / ".secret")[key] for key in ("IDENTITY_SECRET_KEY", "ENCRYPTION_SECRET_KEY")):
        assert secret not in shown.out + made.out


def test_who_gives_a_relays_name_for_an_address_is_behind_it(people: People, commands: Commands) -> None:
    data = people.folder(ALICE)
    [told] = commands.run("identity", "show", "--data", data, "--address", BOB, "--json").json
    assert (told["address_or_proxy_nodes"], told["routing"]) == ([BOB], True)


def test_new_replaces_no_keys_unless_it_shall(people: People, commands: Commands) -> None:
    data = people.folder(ALICE)
    before = read_secret(data / ".secret")
    refused = commands.run("identity", "new", "--name", ALICE, "--data", data)
    assert (refused.status, refused.out) == (1, "")
    assert "--force replaces them" in refused.err
    assert read_secret(data / ".secret") == before
    forced = commands.run("identity", "new", "--name", ALICE, "--data", data, "--force")
    assert f"in {data / '.secret'}" in forced.out
    assert read_secret(data / ".secret")["IDENTITY_SECRET_KEY"] != before["IDENTITY_SECRET_KEY"]


def test_show_knows_the_peer_ids_of_both_eras(people: People, commands: Commands) -> None:
    [told] = commands.run("identity", "show", "--data", people.folder(ALICE), "--json").json
    assert told["peer_id"] == str(people.keys(ALICE).signature.peer_id)
    assert told["seed_peer_id"] == "12D3KooWKLfUnvVyFhXVzTX6aAo3aQeM7qPor1cZYWtK9Rmnm5Pc"


def test_show_looks_others_up(people: People, commands: Commands) -> None:
    [told] = commands.run("identity", "show", "bob", "--directory", people.directory, "--json").json
    assert (told["name"], told["peer_id"]) == (BOB, str(people.keys(BOB).signature.peer_id))
    unknown = commands.run("identity", "show", "nobody", "--directory", people.directory)
    assert (unknown.status, unknown.out) == (1, "")
    assert "knows nobody of the name @@nobody.shinkai" in unknown.err


def test_add_takes_what_show_prints(people: People, tmp_path: Path, commands: Commands) -> None:
    printed = commands.run("identity", "show", "--data", people.folder(ALICE), "--address", ADDRESS, "--json").out
    file, directory = tmp_path / "alice.json", tmp_path / "new" / "others.json"
    file.write_text(printed)
    added = commands.run("identity", "add", file, "--directory", directory)
    assert (added.status, added.err) == (0, "")
    assert f"is in {directory}" in added.out
    [told] = commands.run("identity", "show", ALICE, "--directory", directory, "--json").json
    assert told == json.loads(printed)
    commands.run("identity", "add", file, "--directory", directory, "--address", "a.example:1", "--address", "b:2")
    assert json.loads(directory.read_text())["alice.shinkai"]["address_or_proxy_nodes"] == ["a.example:1", "b:2"]


def test_add_reads_stdin_and_the_folder_has_a_directory(people: People, commands: Commands) -> None:
    printed = commands.run("identity", "show", "--data", people.folder(ALICE), "--json").out
    with start("identity", "add", "-", "--data", people.folder(BOB)) as adding:
        _, err = adding.communicate(printed, timeout=30)
    assert (adding.returncode, err) == (0, "")
    assert set(json.loads((people.folder(BOB) / "directory.json").read_text())) == {"alice.shinkai"}


def test_add_takes_a_name_with_keys(people: People, tmp_path: Path, commands: Commands) -> None:
    keys = people.keys(BOB)
    directory = tmp_path / "others.json"
    words = ["--encryption-key", keys.encryption.public.to_hex(), "--signature-key", "AB" * 32]
    added = commands.run("identity", "add", BOB, *words, "--address", ADDRESS, "--directory", directory, "--json")
    [told] = added.json
    assert (told["name"], told["signature_key"]) == (BOB, "ab" * 32)
    assert json.loads(directory.read_text())["bob.shinkai"]["signature_key"] == "ab" * 32


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["new", "--name", "no name!"], "no Shinkai name"),
        (["new", "--name", "a", "--address", "x" * 400], "at most 300 characters"),
        (["show"], "holds no identity: `p2pstack identity new --name NAME` makes one"),
        (["show", "no name!"], "no Shinkai name"),
        (["add", "@@bob.shinkai"], "a name goes with --encryption-key and --signature-key"),
        (["add", "@@bob.shinkai", "--signature-key", "00" * 32], "encryption_key is no text"),
        (["add", "@@bob.shinkai", "--signature-key", "0", "--encryption-key", "0"], "a key is 64 hex digits"),
        (["add", "/does/not/exist"], "/does/not/exist: No such file or directory"),
    ],
)
def test_what_can_not_be_is_one_line(tmp_path: Path, commands: Commands, argv: list[str], complaint: str) -> None:
    result = commands.run("identity", *argv, "--data", tmp_path)
    assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
    assert complaint in result.err


@pytest.mark.parametrize("text", ["", "[]", "{", '"text"', "[" * 50_000, '{"a": "' + "x" * 70_000 + '"}', "\udcff"])
def test_a_file_that_holds_no_identity(tmp_path: Path, commands: Commands, text: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(text.encode(errors="surrogateescape"))
    result = commands.run("identity", "add", file, "--data", tmp_path)
    assert (result.status, result.out) == (1, "")
    assert "holds no identity" in result.err


@pytest.mark.parametrize("text", ["{}", '{"name": 1}'])
def test_an_identity_of_nobody(tmp_path: Path, commands: Commands, text: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    assert "names nobody" in commands.run("identity", "add", file, "--data", tmp_path).err


def test_a_directory_that_can_not_be_used_is_left_as_it_is(tmp_path: Path, commands: Commands) -> None:
    directory = tmp_path / "others.json"
    directory.write_text("[]")
    words = ["--encryption-key", "00" * 32, "--signature-key", "00" * 32, "--directory", directory]
    result = commands.run("identity", "add", BOB, *words)
    assert (result.status, directory.read_text()) == (1, "[]")
