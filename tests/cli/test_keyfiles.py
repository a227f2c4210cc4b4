from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.keyfiles import read_key, write_key
from p2pstack.identity.keys import PrivateKey

KEY = PrivateKey.from_seed(b"\x01" * 32)
OTHER = PrivateKey.from_seed(b"\x02" * 32)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_a_key_file_is_its_owners_alone(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_key(tmp_path / "key", KEY)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_key(tmp_path / "key", KEY)
    assert (tmp_path / "key").read_bytes() == KEY.to_protobuf()
    assert read_key(tmp_path / "key").peer_id == KEY.peer_id


def test_a_key_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_key(path, KEY)
    with pytest.raises(CommandError, match="exists already"):
        write_key(path, OTHER)
    assert read_key(path).peer_id == KEY.peer_id
    path.chmod(0o644)
    write_key(path, OTHER, replace=True)
    assert read_key(path).peer_id == OTHER.peer_id
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(CommandError, match="exists already"):
        write_key(link, KEY)
    assert not target.exists()


def test_base64_as_kubo_stores_it_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(base64.b64encode(KEY.to_protobuf()) + b"\n")
    assert read_key(path).peer_id == KEY.peer_id


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"aGVsbG8=", KEY.public_key.to_protobuf(), KEY.to_protobuf()[:-1], b"\xff" * 100_000]
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(CommandError, match="holds no private key"):
        read_key(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_key(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        write_key(tmp_path / "none" / "key", KEY)
