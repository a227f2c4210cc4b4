"""Generate p2pstack/wire/pb/ from the schemas in specs/proto/.

::

    python -m venv /tmp/protoc
    /tmp/protoc/bin/pip install grpcio-tools==1.75.1
    /tmp/protoc/bin/python scripts/generate_protobuf.py [--check]

The compiler is pinned (protoc 31.1): what it writes runs on the protobuf runtimes 6.31.1 and later of major version 6
and on all of version 7. It wants an environment of its own, because pip may have to downgrade protobuf for it.
``--check`` writes nothing, and fails if the committed modules are not what the schemas make.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "specs" / "proto"
PACKAGE = "p2pstack/wire/pb"
COMPILER = "libprotoc 31.1"


def compile_schemas(target: Path) -> None:
    """Run protoc on all schemas; the results lie in ``target / PACKAGE``.

    The schemas are registered as ``p2pstack/wire/pb/<name>.proto``. A bare ``keys.proto`` would clash with another
    library's file of that name, since a process has one pool of schemas.
    """
    protoc = [sys.executable, "-m", "grpc_tools.protoc"]
    version = subprocess.run([*protoc, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if version != COMPILER:
        raise SystemExit(f"this is {version}, but the committed modules are made with {COMPILER}")
    names = [f"{PACKAGE}/{path.name}" for path in sorted(SCHEMAS.glob("*.proto"))]
    options = [f"-I{PACKAGE}={SCHEMAS}", f"--python_out={target}", f"--pyi_out={target}"]
    subprocess.run([*protoc, *options, *names], check=True)
    complete_types(target / PACKAGE)


def generated(folder: Path) -> dict[str, bytes]:
    """Name and content of every generated module in ``folder``."""
    return {path.name: path.read_bytes() for path in folder.glob("*_pb2.py*")}


def complete_types(folder: Path) -> None:
    """Give the bare ``Mapping`` of the compiler's stubs its arguments, which ``mypy --strict`` wants."""
    for path in folder.glob("*.pyi"):
        text = path.read_text(encoding="utf-8").replace(", _Mapping]", ", _Mapping[str, object]]")
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """Write the modules, or compare them; the exit status is 1 when ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(description="Generate p2pstack/wire/pb/ from specs/proto/.")
    parser.add_argument("--check", action="store_true", help="only compare, write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as name:
        compile_schemas(Path(name))
        wanted = generated(Path(name) / PACKAGE)
    committed = generated(ROOT / PACKAGE)
    if check:
        differing = sorted(name for name in wanted | committed if wanted.get(name) != committed.get(name))
        print("\n".join(f"{PACKAGE}/{name} is not what specs/proto/ makes" for name in differing) or "up to date")
        return 1 if differing else 0
    for stale in committed.keys() - wanted.keys():
        (ROOT / PACKAGE / stale).unlink()
    for name, content in wanted.items():
        (ROOT / PACKAGE / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
