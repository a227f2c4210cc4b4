"""The files that the project's own rules speak of, each parsed once."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "p2pstack"
TESTS = ROOT / "tests"
GENERATED = LIBRARY / "wire" / "pb"
"""Modules that scripts/generate_protobuf.py makes; the rules for handwritten code do not hold for them."""

_FOREIGN = {".git", ".venv", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
_FOREIGN |= {"build", "dist", "target", "node_modules"}


@dataclass(frozen=True)
class Source:
    """A Python file of the repository: its path relative to the root, with slashes, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def package(self) -> str:
        """The package's name below p2pstack (``wire``), or the module's for a file that lies beside the packages."""
        return self.path.split("/")[1].removesuffix(".py")


def python_files(folder: Path) -> Iterator[Source]:
    """All handwritten Python files below ``folder``, in the order of their paths."""
    for path in text_files(folder):
        if path.suffix == ".py" and GENERATED not in path.parents:
            yield _parse(path)


def library() -> list[Source]:
    return list(python_files(LIBRARY))


def text_files(folder: Path) -> list[Path]:
    """All files below ``folder`` that belong to the project: no caches, environments or build results."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _FOREIGN and not name.endswith(".egg-info")]
        found += [Path(place, name) for name in names]
    return sorted(found)


@functools.cache
def _parse(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(ROOT).as_posix()
    return Source(relative, text, ast.parse(text, filename=relative))


def must_be_empty(found: list[str]) -> None:
    """Fail with all that was found, a line each."""
    if found:
        pytest.fail("\n".join(found), pytrace=False)
