"""A directory in a file that changes while it is in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.shinkai.directory import identity_file
from p2pstack.shinkai.directory.config import FileDirectoryConfig
from p2pstack.shinkai.directory.errors import DirectoryUnavailable, IdentityNotFound, InvalidIdentity
from p2pstack.shinkai.directory.file import FileDirectory
from tests.shinkai.directory.people import ALICE, BOB

ALWAYS = FileDirectoryConfig(check_interval=0)


def holding(*records: object) -> bytes:
    data = b"{}"
    for record in (ALICE, BOB):
        if record in records:
            data = identity_file.with_record(data, record, ALWAYS)
    return data


@pytest.mark.req("SHK-62", "SHK-63")
async def test_a_directory_begins_without_a_file_and_writes_one(tmp_path: Path) -> None:
    path = tmp_path / "identities.json"
    directory = await FileDirectory.open(path, ALWAYS)
    with pytest.raises(IdentityNotFound):
        await directory.lookup(ALICE.name)
    await directory.add(ALICE)
    await directory.add(BOB)
    assert await directory.lookup(ALICE.name) == ALICE
    assert await directory.remove(ALICE.name)
    assert not await directory.remove(ALICE.name)
    assert directory.names == [BOB.name]
    other = await FileDirectory.open(path)
    assert await other.lookup(BOB.name) == BOB
    await directory.close()


@pytest.mark.req("SHK-62")
async def test_a_change_of_the_file_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "identities.json"
    identity_file.write(path, holding(ALICE))
    now = 0.0
    directory = await FileDirectory.open(path, FileDirectoryConfig(check_interval=1), clock=lambda: now)
    identity_file.write(path, holding(BOB))
    now = 0.9
    assert await directory.lookup(ALICE.name) == ALICE
    now = 1.0
    assert await directory.lookup(BOB.name) == BOB
    with pytest.raises(IdentityNotFound):
        await directory.lookup(ALICE.name)


@pytest.mark.req("SHK-62")
async def test_a_file_that_breaks_leaves_what_was_read_in_use(tmp_path: Path) -> None:
    path = tmp_path / "identities.json"
    identity_file.write(path, holding(ALICE))
    directory = await FileDirectory.open(path, ALWAYS)
    for breaking in (lambda: path.write_text('{"alice": '), path.unlink, path.mkdir):
        breaking()
        assert await directory.lookup(ALICE.name) == ALICE
        assert str(path) in str(directory.problem)
    with pytest.raises(DirectoryUnavailable):
        await directory.add(BOB)
    path.rmdir()
    identity_file.write(path, holding(BOB))
    assert await directory.lookup(BOB.name) == BOB
    assert directory.problem is None


@pytest.mark.req("SHK-62")
async def test_a_broken_file_is_told_at_once_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "identities.json"
    path.write_text('{"al-ice": {}}')
    with pytest.raises(InvalidIdentity, match=r"identities\.json: '@@al-ice.shinkai' is no Shinkai name"):
        await FileDirectory.open(path)
    directory = FileDirectory(path)
    with pytest.raises(InvalidIdentity, match=r"identities\.json: '@@al-ice"):
        await directory.add(ALICE)
    assert path.read_text() == '{"al-ice": {}}'
