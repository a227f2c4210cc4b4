"""Every module with code has its test module, no room outgrows its size, and nothing is caught or left lying about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.sources import LIBRARY, ROOT, TESTS, Source, library, must_be_empty, python_files, text_files

MAX_MODULE_LINES = 450
MAX_FUNCTION_LINES = 60

NO_TEST_MODULE: dict[str, str] = {
    "p2pstack/__main__.py": "two lines that call the command line, which tests/cli starts as a process",
}
"""Module -> why it has no test module of its own."""

BROAD_EXCEPT: dict[str, str] = {
    "p2pstack/aio/tasks.py supervise": "the one supervisor: what an application's handler raises costs its stream",
    "p2pstack/aio/tasks.py _go_on": "a trampoline: it throws whatever it caught into the coroutine that it drives",
    "p2pstack/services/port_mapping/upnp.py _call": "miniupnpc raises a bare Exception, whatever has gone wrong",
    "p2pstack/gossipsub/relay.py id_of": "a program's function for ids must not let a stranger's message end anything",
}
"""File and function -> why it may catch what it does not know. Cleaning up and raising again is allowed anywhere."""

SLEEPS_IN_TESTS: dict[str, str] = {}
"""Test file -> why it has to let real time pass."""

UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
WORKPLACE = re.compile(r"(?<![\w.~}])/wo" + r"rk/")

TEXT_SUFFIXES = {".md", ".py", ".pyi", ".toml", ".proto", ".go", ".rs", ".yml", ".yaml", ".cfg", ".txt", ".sh", ".html"}


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def holds_code(source: Source) -> bool:
    """Whether there is anything to test: a function or a class. Names, constants and imports need no test."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return any(isinstance(node, kinds) for node in source.tree.body)


def mirror_of(path: str) -> Path:
    """p2pstack/a/b.py -> tests/a/test_b.py; p2pstack/a/__init__.py -> tests/a/test_init.py."""
    relative = Path(path).relative_to("p2pstack")
    stem = "init" if relative.stem == "__init__" else relative.stem
    return TESTS / relative.parent / f"test_{stem}.py"


def test_every_module_with_code_has_its_test_module() -> None:
    missing = [
        f"{source.path}: no {mirror_of(source.path).relative_to(ROOT)}"
        for source in library()
        if holds_code(source) and source.path not in NO_TEST_MODULE and not mirror_of(source.path).is_file()
    ]
    must_be_empty(missing)


def test_the_exceptions_still_exist() -> None:
    listed = [*NO_TEST_MODULE, *SLEEPS_IN_TESTS, *(place.split()[0] for place in BROAD_EXCEPT)]
    must_be_empty([path for path in listed if not (ROOT / path).is_file() and path != "p2pstack/__main__.py"])


def test_every_module_and_package_opens_with_a_paragraph() -> None:
    must_be_empty([source.path for source in library() if not ast.get_docstring(source.tree)])


def test_no_module_outgrows_its_room() -> None:
    must_be_empty([f"{s.path}: {s.lines} lines" for s in library() if s.lines > MAX_MODULE_LINES])


def test_no_function_outgrows_its_room() -> None:
    long = []
    for source in library():
        for function in functions(source):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > MAX_FUNCTION_LINES:
                long.append(f"{source.path}:{function.lineno} {function.name}: {length} lines")
    must_be_empty(long)


def broad_handlers(source: Source) -> list[str]:
    """Places that catch everything: a bare ``except``, ``except Exception``, ``suppress(BaseException)``.

    A handler whose last statement is a bare ``raise`` catches nothing.
    """
    places = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            last = node.body[-1]
            if isinstance(last, ast.Raise) and last.exc is None:
                continue
            caught = [node.type] if node.type is not None else []
            bare = node.type is None
        elif isinstance(node, ast.Call) and _last_name(node.func) == "suppress":
            caught, bare = node.args, False
        else:
            continue
        flat = [each for item in caught for each in (item.elts if isinstance(item, ast.Tuple) else [item])]
        if bare or any(_last_name(each) in {"Exception", "BaseException"} for each in flat):
            places.append(f"{source.path} {_enclosing(source, node.lineno)}")
    return places


def _enclosing(source: Source, line: int) -> str:
    """The name of the innermost function around a line, or the line's number outside of any."""
    around = [each for each in functions(source) if each.lineno <= line <= (each.end_lineno or 0)]
    return max(around, key=lambda each: each.lineno).name if around else f"line {line}"


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_only_the_supervisor_catches_everything() -> None:
    places = [place for source in library() for place in broad_handlers(source)]
    must_be_empty([f"{place} catches everything" for place in places if place not in BROAD_EXCEPT])
    assert len(places) == len(set(places)), "one handler a function"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("try:\n    a()\nexcept:\n    b()\n", ["line 3"]),
        ("def f():\n    try:\n        a()\n    except Exception:\n        b()\n", ["f"]),
        ("try:\n    a()\nexcept (ValueError, builtins.BaseException):\n    b()\n", ["line 3"]),
        ("import contextlib\nwith contextlib.suppress(OSError, Exception):\n    a()\n", ["line 2"]),
        ("try:\n    a()\nexcept BaseException:\n    b()\n    raise\n", []),
        ("try:\n    a()\nexcept (ValueError, OSError):\n    b()\n", []),
    ],
)
def test_broad_handlers_are_seen(text: str, found: list[str]) -> None:
    assert broad_handlers(Source("x.py", text, ast.parse(text))) == [f"x.py {place}" for place in found]


def test_nothing_is_left_unfinished() -> None:
    found = []
    for path in _texts():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if UNFINISHED.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    for source in library():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.dump(node.exc):
                found.append(f"{source.path}:{node.lineno}: a stub")
    must_be_empty(found)


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if WORKPLACE.search(line)
    ]
    must_be_empty(found)


def _texts() -> list[Path]:
    def is_text(path: Path) -> bool:
        return path.suffix in TEXT_SUFFIXES or (not path.suffix and path.parent.name in {"scripts", ".ci"})

    return [path for path in text_files(ROOT) if is_text(path)]


def test_tests_do_not_sleep() -> None:
    """A test waits for an event with a deadline; ``sleep(0)``, which only lets others run, is no sleep."""
    found = []
    for source in python_files(TESTS):
        if source.path in SLEEPS_IN_TESTS:
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and _last_name(node.func) == "sleep":
                zero = node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
                if not zero:
                    found.append(f"{source.path}:{node.lineno}")
    must_be_empty(found)


def test_the_library_ships_its_types() -> None:
    assert (LIBRARY / "py.typed").is_file()
