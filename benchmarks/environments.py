"""py-libp2p and js-libp2p in environments of their own, each made once in the cache folder.

Their dependencies (65 and 116 packages) stay out of the tree and of the environment that p2pstack runs in.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import REPOSITORY, RunFailed
from tests.interop.build import cache_folder

__all__ = ["PY_LIBP2P", "has_node", "js_libp2p_peer", "py_libp2p_python"]

PY_LIBP2P = "0.8.1"
INSTALL_SECONDS = 600
NODE_MAJOR = 20
JS_PEER = REPOSITORY / "benchmarks" / "peers" / "js_peer"


def py_libp2p_python() -> Path:
    """The interpreter of the environment that holds py-libp2p, which is made if it is not there.

    Raises RunFailed when it cannot be made (no network, for instance).
    """
    folder = cache_folder() / f"py-libp2p-{PY_LIBP2P}"
    python = folder / "bin" / "python"
    marker = folder / "complete"
    if marker.exists():
        return python
    print(f"making the environment of py-libp2p {PY_LIBP2P} in {folder}", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", f"libp2p=={PY_LIBP2P}"],
    ):
        _install("py-libp2p", command, -1)
    marker.touch()
    return python


def has_node() -> bool:
    """Whether what js-libp2p needs is on the PATH."""
    return not _missing_tools()


def js_libp2p_peer() -> tuple[Path, str]:
    """The js peer's program, beside the packages that it imports, and the versions of js-libp2p and Node.

    The packages are installed if they are not there. Raises RunFailed when node or npm is missing or too old, or when
    they cannot be installed.
    """
    if missing := _missing_tools():
        raise RunFailed(f"{' and '.join(missing)} not on the PATH")
    node = subprocess.run(["node", "--version"], check=False, capture_output=True, text=True).stdout.strip().lstrip("v")
    major = node.partition(".")[0]
    if not major.isdigit() or int(major) < NODE_MAJOR:
        raise RunFailed(f"node {node or '(unknown)'} is too old: {NODE_MAJOR} or later is needed")
    manifest, program = (JS_PEER / "package.json").read_bytes(), (JS_PEER / "peer.mjs").read_bytes()
    version = json.loads(manifest)["dependencies"]["libp2p"]
    folder = cache_folder() / f"js-libp2p-{version}-{_hash(manifest)}"
    marker = folder / "complete"
    if not marker.exists():
        print(f"making the environment of js-libp2p {version} in {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_bytes(manifest)
        # npm's last lines name its log, the first one the fault.
        options = ["--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        _install("js-libp2p", ["npm", "install", *options], 0)
        marker.touch()
    # A module finds its packages from where it lies; its name tells the programs of several checkouts apart.
    peer = folder / f"peer-{_hash(program)}.mjs"
    if not peer.exists():
        peer.write_bytes(program)
    return peer, f"{version} (node {node})"


def _missing_tools() -> list[str]:
    return [tool for tool in ("node", "npm") if shutil.which(tool) is None]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _install(name: str, command: Sequence[str], telling: int) -> None:
    """Run one step of an installation; RunFailed with the line number `telling` of its errors."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"{name} was not installed in time") from error
    if done.returncode:
        line = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[telling]
        raise RunFailed(f"{name} can't be installed: {line}")
