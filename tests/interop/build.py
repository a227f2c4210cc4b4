"""Builds the Go and Rust peers, each once, into a cache outside the tree.

The cache is ``$P2PSTACK_CACHE``, else ``$XDG_CACHE_HOME/p2pstack-peers``, else ``~/.cache/p2pstack-peers``. A binary is
named after a hash of its sources (``bin/go-3f2a…``), so two checkouts do not undo each other's work, and a second build
of the same sources costs nothing. Go's own build cache and ``rust-target/`` make a build after a change incremental.
One build runs at a time, whoever starts it, and all of them together may take ``$P2PSTACK_BUILD_SECONDS`` (1800).

``python -m tests.interop.build [go] [rust]`` builds and prints the paths.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["BUILT_KINDS", "BuildFailed", "ToolMissing", "binary", "cache_folder", "library_version"]

BUILT_KINDS = ("go", "rust")
SOURCES = Path(__file__).resolve().parent / "peers"
TOOLS = {"go": "go", "rust": "cargo"}
SOURCE_SUFFIXES = {".go", ".mod", ".sum", ".rs", ".toml", ".lock"}
KEPT_BINARIES = 4
"""Binaries of a kind that stay in the cache; the oldest go first."""
LOCK_POLL_SECONDS = 0.2
LOG_TAIL_BYTES = 4000


class BuildFailed(Exception):
    """A peer could not be built; the text holds the end of the build's output."""


class ToolMissing(Exception):
    """The compiler that a peer needs is not on the PATH."""


def cache_folder() -> Path:
    """The folder that keeps the built peers; it may not exist yet."""
    if chosen := os.environ.get("P2PSTACK_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "p2pstack-peers"


def library_version(kind: str) -> str:
    """The libp2p version that a peer is built on, as its manifest pins it."""
    manifest, pattern = {
        "go": ("go/go.mod", r"github\.com/libp2p/go-libp2p v(\S+)"),
        "rust": ("rust/Cargo.toml", r'\blibp2p = \{ version = "=([^"]+)"'),
    }[kind]
    found = re.search(pattern, (SOURCES / manifest).read_text(encoding="utf-8"))
    if found is None:
        raise BuildFailed(f"{manifest} does not pin libp2p")
    return found[1]


def binary(kind: str) -> Path:
    """The path of the peer's program, built first if need be.

    Raises:
        ToolMissing: the program is not in the cache, and there is no compiler to build it.
        BuildFailed: the build failed, or took longer than allowed.
    """
    bin_folder = cache_folder() / "bin"
    path = bin_folder / f"{kind}-{_hash_of(SOURCES / kind)}"
    if path.exists():
        path.touch()  # the time of the last use decides what is pruned
        return path
    tool = shutil.which(TOOLS[kind])
    if tool is None:
        raise ToolMissing(f"the {kind} peer can't be built: `{TOOLS[kind]}` is not on the PATH")
    deadline = time.monotonic() + float(os.environ.get("P2PSTACK_BUILD_SECONDS", "1800"))
    bin_folder.mkdir(parents=True, exist_ok=True)
    with _lock(cache_folder() / "build.lock", deadline):
        if not path.exists():
            _build(kind, tool, path, deadline)
            _prune(bin_folder, kind)
    return path


def _hash_of(folder: Path) -> str:
    """Hash of every source file below ``folder``, by name and content; what a careless build left behind is not one."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and path.suffix in SOURCE_SUFFIXES and relative.parts[0] != "target":
            digest.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _build(kind: str, tool: str, path: Path, deadline: float) -> None:
    source = SOURCES / kind
    partial = path.with_name(path.name + ".partial")
    if kind == "go":
        _run([tool, "build", "-trimpath", "-o", str(partial), "."], source, deadline)
    else:
        target = cache_folder() / "rust-target"
        command = [tool, "build", "--release", "--locked", "--target-dir", str(target)]
        _run(command, source, deadline)
        shutil.copy(target / "release" / "peer-rust", partial)
    partial.replace(path)


def _run(command: list[str], folder: Path, deadline: float) -> None:
    log_path = cache_folder() / f"build-{folder.name}.log"
    with log_path.open("w+b") as log:
        # A session of its own: a compiler starts compilers, and at the deadline they all have to end.
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            status = process.wait(max(deadline - time.monotonic(), 0.0))
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise BuildFailed(f"`{' '.join(command)}` took too long:\n{_tail(log)}") from error
            raise
        if status != 0:
            raise BuildFailed(f"`{' '.join(command)}` ended with status {status}:\n{_tail(log)}")


def _tail(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(size - LOG_TAIL_BYTES, 0))
    return log.read().decode(errors="replace")


@contextlib.contextmanager
def _lock(path: Path, deadline: float) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; the system drops it if the process dies."""
    if sys.platform == "win32":
        raise BuildFailed("the interoperability peers are only built on POSIX systems")
    import fcntl

    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BuildFailed(f"another build has held {path} for too long") from None
                threading.Event().wait(LOCK_POLL_SECONDS)
        yield


def _prune(folder: Path, kind: str) -> None:
    newest_first = sorted(folder.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[KEPT_BINARIES:]:
        path.unlink(missing_ok=True)


def main(kinds: list[str]) -> int:
    """Build ``kinds``, or all; returns the exit status."""
    status = 0
    for kind in kinds or BUILT_KINDS:
        if kind not in BUILT_KINDS:
            sys.stderr.write(f"no peer {kind!r}: one of {', '.join(BUILT_KINDS)}\n")
            return 2
        try:
            sys.stdout.write(f"{kind} {library_version(kind)} {binary(kind)}\n")
        except (BuildFailed, ToolMissing) as error:
            sys.stderr.write(f"{error}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
