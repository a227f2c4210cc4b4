from __future__ import annotations

import importlib.util
import itertools

import pytest

from fuzz import corpus
from fuzz.engines import ENGINES, by_atheris, by_mutation
from fuzz.targets import TARGETS


def fragile(data: bytes) -> None:
    if b"\x7f" in data:
        raise ValueError("a byte that it does not like")


def test_mutations_begin_with_the_corpus_and_are_the_same_for_the_same_seed() -> None:
    seeds = corpus.load("identify")
    one, again, other = (list(itertools.islice(by_mutation.inputs(seeds, seed), 200)) for seed in (1, 1, 2))
    assert one[: len(seeds)] == seeds
    assert one == again != other
    assert len(set(one)) > 150
    assert max(map(len, one)) <= by_mutation.MAX_SIZE


@pytest.mark.parametrize("engine", ["random", "hypothesis"])
def test_an_engine_runs_for_its_time_and_counts(engine: str) -> None:
    result = ENGINES[engine]("uvarint", 0.02, 1)
    assert (result.target, result.engine, result.failure) == ("uvarint", engine, None)
    assert result.executions > 10
    assert 0.02 <= result.seconds < 10.0


@pytest.mark.parametrize("engine", ["random", "hypothesis"])
def test_an_engine_finds_a_fault_and_shows_a_small_input(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "uvarint", fragile)
    result = ENGINES[engine]("uvarint", 30.0, 1)
    assert result.failure is not None
    assert result.failure.data == b"\x7f"
    assert "ValueError" in result.failure.text
    assert result.executions >= 1


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is an extra, and is not installed")
@pytest.mark.slow
def test_atheris_runs_where_it_is_installed() -> None:
    result = by_atheris.fuzz("uvarint", 1.0, 1)
    assert (result.engine, result.failure) == ("atheris", None)
    assert result.executions > 100


def test_without_atheris_its_engine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="pip install atheris"):
        by_atheris.fuzz("uvarint", 1.0, 1)
