from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.cli import secret_file
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.secret_file import is_open_to_others, read_secret, write_secret

ORIGINAL = """\
GLOBAL_IDENTITY_NAME=@@alice.shinkai
IDENTITY_SECRET_KEY=11
ENCRYPTION_SECRET_KEY=22
PRIVATE_HTTPS_CERTIFICATE=-----BEGIN PRIVATE KEY-----\\nabc=\\n
# a remark=1

EMPTY=
"""


def test_what_the_original_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / ".secret"
    assert read_secret(path) == {}
    path.write_text(ORIGINAL)
    assert read_secret(path) == {
        "GLOBAL_IDENTITY_NAME": "@@alice.shinkai",
        "IDENTITY_SECRET_KEY": "11",
        "ENCRYPTION_SECRET_KEY": "22",
        "PRIVATE_HTTPS_CERTIFICATE": "-----BEGIN PRIVATE KEY-----\\nabc=\\n",
    }


def test_other_lines_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / ".secret"
    path.write_text(ORIGINAL)
    path.chmod(0o644)
    assert is_open_to_others(path)
    write_secret(path, {"IDENTITY_SECRET_KEY": "33"})
    assert read_secret(path)["IDENTITY_SECRET_KEY"] == "33"
    kept = [line for line in ORIGINAL.splitlines() if not line.startswith("IDENTITY")]
    assert path.read_text().splitlines() == [*kept, "IDENTITY_SECRET_KEY=33"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not is_open_to_others(path)
    assert [each.name for each in tmp_path.iterdir()] == [".secret"]


def test_a_file_that_is_not_there_is_open_to_nobody(tmp_path: Path) -> None:
    assert not is_open_to_others(tmp_path / ".secret")


def test_what_is_no_text_or_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".secret"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError, match="is no text"):
        read_secret(path)
    monkeypatch.setattr(secret_file, "MAX_SIZE", 10)
    path.write_bytes(b"A=12345678")
    assert read_secret(path) == {"A": "12345678"}
    path.write_bytes(b"A=123456789")
    with pytest.raises(CommandError, match="more than 10 bytes"):
        write_secret(path, {"B": "1"})


def test_a_folder_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_secret(tmp_path / "none" / ".secret", {"A": "1"})
    assert list(tmp_path.iterdir()) == []
