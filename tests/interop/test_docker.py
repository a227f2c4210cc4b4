"""The images for libp2p's runners: each wraps an installation, and starts a command that there is."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.interop.harness import ROOT

FILES = sorted((ROOT / "tests" / "interop" / "docker").glob("*.Dockerfile"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
each_file = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


def instructions(path: Path) -> list[tuple[str, str]]:
    """(INSTRUCTION, arguments) of a Dockerfile, with lines that go on joined."""
    text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(head, rest) for head, _, rest in (line.partition(" ") for line in lines)]


def test_every_harness_has_an_image() -> None:
    assert [path.name for path in FILES] == [
        "gossipsub.Dockerfile", "hole-punch.Dockerfile", "perf.Dockerfile", "transport.Dockerfile"
    ]  # fmt: skip


@each_file
def test_it_starts_a_command_that_is_installed(path: Path) -> None:
    found = dict(instructions(path))
    [started] = json.loads(found.get("ENTRYPOINT") or found["CMD"])
    linked = dict(
        reversed(pair) for pair in re.findall(r'ln -s "\$\(command -v (\S+)\)" /usr/local/bin/(\S+)', found["RUN"])
    )
    module, _, function = PROJECT["scripts"][linked.get(started, started)].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


@each_file
def test_it_only_wraps_an_installation(path: Path) -> None:
    steps = instructions(path)
    assert steps[0] == ("FROM", "python:3.11-slim")
    assert ("COPY", ". /src") in steps
    installing = [rest for head, rest in steps if head == "RUN" and "pip install" in rest]
    extras = [extra for rest in installing for extra in re.findall(r"'/src\[(\w+)\]'", rest)]
    assert extras
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    assert f"-f {path.relative_to(ROOT)} " in path.read_text(encoding="utf-8")


def test_the_hole_punch_image_has_what_its_runner_needs() -> None:
    text = (ROOT / "tests" / "interop" / "docker" / "hole-punch.Dockerfile").read_text(encoding="utf-8")
    # dig is in dnsutils, ip in iproute2
    assert {"curl", "dnsutils", "iproute2", "jq", "tcpdump"} <= set(text.split())
    assert "hole-punch-client" in PROJECT["scripts"]
