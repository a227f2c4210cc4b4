"""py-libp2p in a virtual environment of its own, made once in the cache folder.

Its dependencies (65 packages) stay out of the environment that p2pstack runs in.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.processes import RunFailed
from tests.interop.build import cache_folder

__all__ = ["PY_LIBP2P", "py_libp2p_python"]

PY_LIBP2P = "0.8.1"
INSTALL_SECONDS = 600


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
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise RunFailed("py-libp2p was not installed in time") from error
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise RunFailed(f"py-libp2p can't be installed: {last}")
    marker.touch()
    return python
