"""The text of a directory's file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.shinkai.directory import identity_file
from p2pstack.shinkai.directory.config import FileDirectoryConfig
from p2pstack.shinkai.directory.errors import DirectoryUnavailable, InvalidIdentity
from tests.shinkai.directory.people import ALICE, BOB

CONFIG = FileDirectoryConfig()
KEY = ALICE.encryption_key.to_hex()
ENTRY = {"encryption_key": KEY, "signature_key": ALICE.signature_key.data.hex()}


@pytest.mark.req("SHK-62")
def test_a_record_is_read_as_it_was_written() -> None:
    data = identity_file.with_record(identity_file.with_record(b"{}", ALICE, CONFIG), BOB, CONFIG)
    assert identity_file.parse(data, CONFIG) == {ALICE.name: ALICE, BOB.name: BOB}
    assert list(json.loads(data)) == ["alice.shinkai", "bob.shinkai"]
    gone = identity_file.without_record(data, ALICE.name, CONFIG)
    assert gone is not None
    assert identity_file.parse(gone, CONFIG) == {BOB.name: BOB}
    assert identity_file.without_record(gone, ALICE.name, CONFIG) is None


@pytest.mark.req("SHK-62")
def test_what_people_wrote_is_kept() -> None:
    data = json.dumps({"@@Alice.shinkai": {**ENTRY, "note": "ñ"}}).encode()
    assert identity_file.parse(data, CONFIG)[ALICE.name].address_or_proxy_nodes == ()
    changed = json.loads(identity_file.with_record(data, ALICE, CONFIG))
    assert list(changed) == ["@@Alice.shinkai"]
    assert (changed["@@Alice.shinkai"]["note"], changed["@@Alice.shinkai"]["routing"]) == ("ñ", False)


@pytest.mark.req("SHK-62")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("[]", "no object of names"),
        ('{"alice": 1}', "@@alice.shinkai: it is no object"),
        ('{"al-ice": {}}', "no Shinkai name"),
        ('{"alice/main": {}}', "no node's name"),
        ('{"alice": {}}', "@@alice.shinkai: encryption_key is no text"),
        (json.dumps({"alice": ENTRY, "@@ALICE": ENTRY}), "listed twice"),
        (json.dumps({"alice": {**ENTRY, "signature_key": "ff"}}), "a key is 64 hex digits"),
        (json.dumps({"alice": {**ENTRY, "routing": 1}}), "neither true nor false"),
        (json.dumps({"alice": {**ENTRY, "address_or_proxy_nodes": ["\ud800"]}}), "surrogate"),
        (json.dumps({f"a{number}": ENTRY for number in range(4)}), "more than 3 identities"),
        ("{" * 1_000, "nested"),
    ],
)
def test_a_file_that_can_not_be_used_says_why(text: str, why: str) -> None:
    with pytest.raises(InvalidIdentity, match=why):
        identity_file.parse(text.encode(), FileDirectoryConfig(max_identities=3))


@given(
    st.binary(max_size=100)
    | st.text(max_size=100).map(lambda text: ('{"a":{"routing":' + text).encode(errors="replace"))
)
def test_garbage_is_refused_by_name(data: bytes) -> None:
    try:
        identity_file.parse(data, CONFIG)
    except InvalidIdentity:
        return


@pytest.mark.req("SHK-63")
def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "identities.json"
    assert identity_file.read(path, CONFIG) == b"{}"
    assert identity_file.stamp(path) == (0, 0, 0)
    identity_file.write(path, b"{ }")
    path.chmod(0o600)
    before = identity_file.stamp(path)
    with path.open("rb") as reader:
        identity_file.write(path, b"[ ]")
        assert reader.read() == b"{ }"
    assert identity_file.read(path, CONFIG) == b"[ ]"
    assert identity_file.stamp(path) != before
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["identities.json"]


@pytest.mark.req("SHK-63")
def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "identities.json"
    identity_file.write(path, b"{}")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DirectoryUnavailable, match="No space left"):
        identity_file.write(path, b"[]")
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"{}"]


@pytest.mark.req("SHK-62")
def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DirectoryUnavailable, match="Is a directory"):
        identity_file.read(tmp_path, CONFIG)
    (tmp_path / "file").write_bytes(b" " * 11)
    with pytest.raises(InvalidIdentity, match="more than 10 bytes"):
        identity_file.read(tmp_path / "file", FileDirectoryConfig(max_size=10))
    with pytest.raises(DirectoryUnavailable, match="Not a directory"):
        identity_file.stamp(tmp_path / "file" / "below")
