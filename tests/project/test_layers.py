"""Imports point downward, the pure layers stay pure, and only crypto/ touches the cryptography packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.project.sources import ROOT, Source, library, must_be_empty

LAYERS = (
    {"errors"},
    {"wire"},
    {"crypto"},
    {"identity"},
    {"autonat", "dcutr", "gossipsub", "kad", "mdns", "multistream", "noise", "relay", "rendezvous", "yamux"},
    {"connection"},
    {"testing"},
    {"aio"},
    {"storage"},
    {"host"},
    {"services"},
    {"shinkai"},
    {"cli"},
    {"__init__", "__main__"},
)
"""Lowest first. A module may import its own package and the layers above it in this list; not a sibling in its set."""

PURE = {
    "errors", "wire", "crypto", "identity", "autonat", "dcutr", "gossipsub", "kad", "mdns", "multistream", "noise",
    "relay", "rendezvous", "yamux", "connection",
}  # fmt: skip

IMPURE_MODULES = {
    "asyncio", "concurrent", "datetime", "logging", "multiprocessing", "os", "pathlib", "queue", "random", "select",
    "selectors", "signal", "socket", "ssl", "subprocess", "sys", "threading", "time", "uuid",
}  # fmt: skip
"""They read the clock, the system or the network, or keep state of the process: a pure layer is handed such things."""

ENTROPY_PACKAGES = {"identity", "noise"}
"""Their constructors may default to ``secrets.token_bytes``; elsewhere entropy is an argument."""

CRYPTOGRAPHY = {"blake3", "cryptography", "nacl"}

IMPORTS_IN_FUNCTIONS: dict[tuple[str, str], str] = {
    ("p2pstack/cli/", "rich"): "an extra; the command line works without it",
    ("p2pstack/cli/", "uvloop"): "an extra; only the command line chooses an event loop",
    ("p2pstack/host/interfaces.py", "psutil"): "only hosts that listen on all interfaces need it",
    ("p2pstack/services/port_mapping/upnp.py", "miniupnpc"): "an extra; PCP and NAT-PMP work without it",
    ("p2pstack/shinkai/node/ws.py", "websockets"): "an extra; a node works without it",
    ("p2pstack/host/resolver.py", "dns"): "takes 60 ms to import, and most programs never see a dnsaddr",
}
"""(path prefix, imported top-level module) -> why the import may stand inside a function."""


@dataclass(frozen=True)
class Import:
    """One imported module: where, its full name, and whether the statement stands inside a function."""

    path: str
    line: int
    name: str
    in_function: bool

    @property
    def top(self) -> str:
        return self.name.split(".")[0]

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


def imports(source: Source) -> Iterator[Import]:
    """All imports of a file; ``from . import x`` and ``from p2pstack import wire`` are resolved to full names."""
    package = source.path.removesuffix(".py").split("/")[:-1]
    nested = {
        id(node)
        for function in ast.walk(source.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from p2pstack import wire` names a package, `from p2pstack.wire import uvarint` a name in one.
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "p2pstack" else [module]
        else:
            continue
        for name in names:
            yield Import(source.path, node.lineno, name, id(node) in nested)


def level(package: str) -> int:
    for number, names in enumerate(LAYERS):
        if package in names:
            return number
    pytest.fail(f"p2pstack/{package} belongs to no layer; add it to LAYERS, where it belongs", pytrace=False)


def all_imports() -> list[tuple[Source, Import]]:
    return [(source, found) for source in library() for found in imports(source)]


def own_package(found: Import) -> str | None:
    """The package of p2pstack that is imported; ``__init__`` for the public names; None for a foreign module."""
    parts = found.name.split(".")
    if parts[0] != "p2pstack":
        return None
    below = parts[1] if len(parts) > 1 else "__init__"
    folder = ROOT / "p2pstack"
    return below if (folder / below).is_dir() or (folder / f"{below}.py").is_file() else "__init__"


def test_imports_point_to_the_same_package_or_downward() -> None:
    wrong = []
    for source, found in all_imports():
        target = own_package(found)
        if target is None or target == source.package:
            continue
        if level(target) >= level(source.package):
            wrong.append(f"{found.place}: {source.package} imports {found.name}")
    must_be_empty(wrong)


def test_services_import_each_other_in_no_circle() -> None:
    needs: dict[str, set[str]] = {}
    for source, found in all_imports():
        own, other = (each.split("/")[:3] for each in (source.path, found.name.replace(".", "/")))
        if own[:2] == other[:2] == ["p2pstack", "services"] and own != other:
            needs.setdefault(own[2].removesuffix(".py"), set()).add(other[2])
    assert "rendezvous" in needs["gossipsub"]
    while leaves := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in leaves:
            del needs[name]
    must_be_empty([f"{name} and what it imports: {', '.join(sorted(others))}" for name, others in needs.items()])


def test_every_package_has_a_layer() -> None:
    packages = {source.package for source in library()}
    assert {"errors", "wire", "crypto", "identity"} <= packages
    must_be_empty([package for package in packages if not any(package in names for names in LAYERS)])


def test_pure_layers_import_nothing_impure() -> None:
    wrong = [
        f"{found.place}: imports {found.name}"
        for source, found in all_imports()
        if source.package in PURE
        and (found.top in IMPURE_MODULES or (found.top == "secrets" and source.package not in ENTROPY_PACKAGES))
    ]
    must_be_empty(wrong)


def test_only_crypto_imports_the_cryptography_packages() -> None:
    wrong = [
        f"{found.place}: imports {found.name}"
        for source, found in all_imports()
        if found.top in CRYPTOGRAPHY and source.package != "crypto"
    ]
    must_be_empty(wrong)


def test_imports_stand_at_the_top_of_the_module() -> None:
    wrong = [
        f"{found.place}: imports {found.name} inside a function"
        for _, found in all_imports()
        if found.in_function
        and not any(found.path.startswith(prefix) and found.top == top for prefix, top in IMPORTS_IN_FUNCTIONS)
    ]
    must_be_empty(wrong)


def test_the_library_imports_neither_its_tests_nor_its_tools() -> None:
    outside = {"benchmarks", "fuzz", "pytest", "hypothesis", "scripts", "tests"}
    must_be_empty([f"{found.place}: imports {found.name}" for _, found in all_imports() if found.top in outside])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from . import uvarint", ["p2pstack.wire"]),
        ("from .pb import keys_pb2", ["p2pstack.wire.pb"]),
        ("from ..errors import P2PError", ["p2pstack.errors"]),
        ("from p2pstack import errors, Host", ["p2pstack.errors", "p2pstack.Host"]),
        ("import os.path, asyncio", ["os.path", "asyncio"]),
    ],
)
def test_imports_are_resolved(text: str, names: list[str]) -> None:
    source = Source("p2pstack/wire/framing.py", text, ast.parse(text))
    assert [found.name for found in imports(source)] == names


def test_imports_in_functions_are_seen() -> None:
    text = "import a\ndef f():\n    import b\n    async def g():\n        from c import d\n"
    found = imports(Source("p2pstack/wire/framing.py", text, ast.parse(text)))
    assert [(each.name, each.in_function) for each in found] == [("a", False), ("b", True), ("c", True)]
