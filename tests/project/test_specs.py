"""The pages of specs/ and the code speak of the same rules and limits, and their links lead somewhere."""

from __future__ import annotations

import ast
import re

import pytest

from scripts.check_requirements import ID, read_catalogue
from tests.project.sources import ROOT, library, must_be_empty, text_files

PAGES = sorted((ROOT / "specs").glob("*.md"))
RULES = read_catalogue(ROOT / "specs").levels
PREFIXES = {rule.rsplit("-", 1)[0] for rule in RULES}


def config_fields() -> set[str]:
    """``YamuxConfig.max_pongs`` and the like, of all classes of the library whose name ends in Config."""
    return {
        f"{node.name}.{item.target.id}"
        for source in library()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Config")
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }


def test_the_limits_in_the_pages_exist() -> None:
    fields = config_fields()
    must_be_empty(
        [
            f"{page.name}: {name}"
            for page in PAGES
            for name in re.findall(r"`(\w+Config\.\w+)`", page.read_text())
            if name not in fields
        ]
    )


def test_every_limit_has_its_reason() -> None:
    """A field of a configuration class is followed by a docstring of its own."""
    bare = []
    for source in library():
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ClassDef) or not node.name.endswith("Config"):
                continue
            for item, following in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    said = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                    if not said:
                        bare.append(f"{source.path}:{item.lineno} {node.name}.{item.target.id}")
    must_be_empty(bare)


def test_the_rules_that_the_code_cites_exist() -> None:
    wrong = []
    for source in library():
        for number, line in enumerate(source.text.splitlines(), 1):
            for rule in ID.findall(line):
                if rule.rsplit("-", 1)[0] in PREFIXES and rule not in RULES:
                    wrong.append(f"{source.path}:{number}: {rule}")
    must_be_empty(wrong)


def test_links_between_documents_resolve() -> None:
    pages = [path for path in text_files(ROOT) if path.suffix == ".md"]
    assert pages
    must_be_empty(
        [
            f"{page.relative_to(ROOT)}: {target}"
            for page in pages
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
            if "://" not in target and not (page.parent / target).exists()
        ]
    )


def test_every_page_stands_in_the_index() -> None:
    index = (ROOT / "specs" / "README.md").read_text()
    must_be_empty([page.name for page in PAGES if page.name != "README.md" and f"({page.name})" not in index])


@pytest.mark.parametrize("name", [page.name for page in PAGES if page.name not in {"README.md", "interop.md"}])
def test_every_page_has_the_same_parts(name: str) -> None:
    parts = re.findall(r"^## (.+)$", (ROOT / "specs" / name).read_text(), flags=re.MULTILINE)
    wanted = ["Rules", "Our decisions", "Limits", "On the wire", "Test vectors"]
    assert [part for part in wanted if part in parts] == [part for part in parts if part in wanted]
    assert {"Rules", "Our decisions", "On the wire", "Test vectors"} <= set(parts)
