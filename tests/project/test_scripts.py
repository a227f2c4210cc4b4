"""The commands that the README prints are scripts that exist, and CI runs the tests by the very same one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.project.sources import ROOT

COMMANDS = ("scripts/demo", "scripts/test")


@pytest.mark.parametrize("name", [*COMMANDS, "scripts/environment.sh", ".ci/run"])
def test_shell_scripts_parse(name: str) -> None:
    result = subprocess.run(["bash", "-n", str(ROOT / name)], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", [*COMMANDS, ".ci/run"])
def test_commands_are_executable_and_stop_at_the_first_failure(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK)
    assert "set -euo pipefail" in path.read_text().splitlines()


def test_the_readme_prints_both_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [command for command in COMMANDS if command not in readme] == []


def test_ci_runs_the_readme_s_test_command() -> None:
    assert "scripts/test" in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("versions", ["9.9", "9.8 9.9"])
def test_a_missing_python_is_found_missing(versions: str) -> None:
    script = f"set -euo pipefail; . scripts/environment.sh; find_python {versions} || echo none"
    result = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "none\n"


def test_an_interpreter_is_found_by_its_version(tmp_path: Path) -> None:
    """A shim that refuses to run, as pyenv's may, is passed over for a version below PYENV_ROOT."""
    shim = tmp_path / "bin" / "python9.9"
    real = tmp_path / "versions" / "9.9.1" / "bin" / "python"
    for path, status in ((shim, 127), (real, 0)):
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\nexit {status}\n")
        path.chmod(0o755)
    environ = {"PATH": f"{shim.parent}:{os.environ['PATH']}", "PYENV_ROOT": str(tmp_path)}
    script = ". scripts/environment.sh; find_python 9.8 9.9"
    result = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, env=environ)
    assert result.stdout == f"{real}\n"
