"""Building the peers: caching, and what happens without a compiler. No compiler runs here."""

from __future__ import annotations

import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from tests.interop import build
from tests.interop.build import BuildFailed, ToolMissing, binary, cache_folder, library_version


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH on which there is only what :func:`compiler` puts there."""
    monkeypatch.setenv("P2PSTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}:/usr/bin:/bin")
    monkeypatch.setattr(shutil, "which", lambda tool: _which(tmp_path / "tools" / tool))
    return tmp_path


def _which(path: Path) -> str | None:
    return str(path) if path.exists() else None


def compiler(cache: Path, name: str, text: str) -> None:
    path = cache / "tools" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_missing_compiler_is_named(cache: Path) -> None:
    with pytest.raises(ToolMissing, match="`go` is not on the PATH"):
        binary("go")
    with pytest.raises(ToolMissing, match="`cargo` is not on the PATH"):
        binary("rust")


def test_a_second_build_of_the_same_sources_runs_no_compiler(cache: Path) -> None:
    compiler(cache, "go", 'echo run >> "$P2PSTACK_CACHE/runs"; echo program > "$4"')
    first = binary("go")
    assert first.read_text() == "program\n"
    assert binary("go") == first
    assert (cache / "cache" / "runs").read_text() == "run\n"


def test_cargo_builds_outside_the_tree(cache: Path) -> None:
    compiler(
        cache, "cargo", 'test "$4" = --target-dir && mkdir -p "$5/release" && echo program > "$5/release/peer-rust"'
    )
    assert binary("rust").read_text() == "program\n"


def test_a_failed_build_shows_the_compilers_last_words_and_leaves_no_program(cache: Path) -> None:
    compiler(cache, "go", 'echo "undefined: peer" >&2; exit 3')
    with pytest.raises(BuildFailed, match=r"status 3:\nundefined: peer"):
        binary("go")
    assert list((cache / "cache" / "bin").iterdir()) == []


def test_a_build_has_to_end_in_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PSTACK_BUILD_SECONDS", "0.2")
    compiler(cache, "go", "sleep 60")
    start = time.monotonic()
    with pytest.raises(BuildFailed, match="took too long"):
        binary("go")
    assert time.monotonic() - start < 10


def test_a_build_waits_for_another_only_so_long(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setenv("P2PSTACK_BUILD_SECONDS", "0.1")
    compiler(cache, "go", "exit 1")
    (cache / "cache").mkdir()
    with (cache / "cache" / "build.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BuildFailed, match="another build has held"):
            binary("go")


def test_a_change_of_the_sources_changes_the_hash(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("a")
    first = build._hash_of(tmp_path)
    (tmp_path / "notes.md").write_text("not a source")
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "left.rs").write_text("left by a build")
    assert build._hash_of(tmp_path) == first
    (tmp_path / "main.go").write_text("b")
    assert build._hash_of(tmp_path) != first


def test_old_programs_are_removed(tmp_path: Path) -> None:
    for age in range(6):
        path = tmp_path / f"go-{age}"
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "rust-old").touch()
    build._prune(tmp_path, "go")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["go-0", "go-1", "go-2", "go-3", "rust-old"]


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P2PSTACK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/p2pstack-peers")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "p2pstack-peers"


def test_the_versions_come_from_the_manifests() -> None:
    assert library_version("go").count(".") == 2
    assert library_version("rust").count(".") == 2
