"""Leases, failures and dead entries, on a file without asyncio."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2pstack.errors import LimitExceeded, LocalError
from p2pstack.shinkai.storage.config import QueueConfig
from p2pstack.shinkai.storage.leases import MAX_KEY, Table, Verdict
from p2pstack.shinkai.storage.schema import MIGRATIONS
from tests.shinkai.storage.files import connection, retry_table

CONFIG = QueueConfig(max_attempts=3, max_age=1_000, backoff_max=16, lease=60, max_rows=10, max_bytes=100, max_size=50)
NOW = 1_000_000.0


def insert(
    table: Table, file: sqlite3.Connection, key: str, *, size: int = 1, due: float = NOW, leased: bool = False
) -> None:
    values: dict[str, object] = {"due": due, "recipient": "b", "address": "", "save": 0, "message": bytes(size)}
    table.insert(file, key, size, values, NOW, leased=leased)


def taken(table: Table, file: sqlite3.Connection, now: float, limit: int = 99) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in table.take(file, now, limit)[0]]


@pytest.fixture
def file(tmp_path: Path) -> sqlite3.Connection:
    return connection(tmp_path / "node.db")


@pytest.mark.req("SHK-43")
def test_an_entry_is_tried_ever_later_and_then_dead(file: sqlite3.Connection) -> None:
    table = retry_table(CONFIG)
    insert(table, file, "k")
    now = NOW
    for attempts, delay in [(1, 1.0), (2, 4.0)]:
        assert taken(table, file, now) == [("k", attempts)]
        assert taken(table, file, now) == []
        verdict = table.fail(file, "k", attempts, "refused", now, final=False)
        assert verdict == Verdict(attempts=attempts, due=now + delay)
        assert table.next_due(file) == now + delay
        assert taken(table, file, now + delay - 0.1) == []
        now += delay
    assert taken(table, file, now) == [("k", 3)]
    assert table.fail(file, "k", 3, "x" * 1_000, now, final=False) == Verdict(attempts=3, due=None, dead="attempts")
    (dead,) = table.dead(file, 0, 9)
    assert (dead.key, dead.reason, dead.attempts, len(dead.error)) == ("k", "attempts", 3, 300)
    assert taken(table, file, now + 10_000) == []
    assert table.next_due(file) is None
    assert table.revive(file, "k", now)
    assert not table.revive(file, "k", now)
    assert taken(table, file, now) == [("k", 1)]
    file.close()


@pytest.mark.req("SHK-43")
def test_age_and_refusal_end_an_entry(file: sqlite3.Connection) -> None:
    table = retry_table(CONFIG)
    insert(table, file, "old")
    insert(table, file, "bad")
    taken(table, file, NOW)
    old = table.fail(file, "old", 1, "", NOW + 1_000, final=False)
    bad = table.fail(file, "bad", 1, "unknown recipient", NOW, final=True)
    assert old is not None
    assert bad is not None
    assert (old.dead, bad.dead) == ("age", "refused")
    assert [entry.key for entry in table.dead(file, 0, 9)] == ["old", "bad"]
    first = table.dead(file, 0, 1)[0]
    assert [entry.key for entry in table.dead(file, first.seq, 9)] == ["bad"]
    file.close()


@pytest.mark.req("SHK-47")
def test_a_lease_that_is_over_gives_the_entry_to_the_next(file: sqlite3.Connection) -> None:
    table = retry_table(CONFIG)
    insert(table, file, "k", leased=True)
    assert taken(table, file, NOW + 59) == []
    assert table.next_due(file) == NOW + 60
    assert table.renew(file, "k", 1, NOW + 59)
    assert taken(table, file, NOW + 60) == []
    assert taken(table, file, NOW + 119) == [("k", 2)]
    assert table.fail(file, "k", 1, "late", NOW + 120, final=True) is None
    assert not table.renew(file, "k", 1, NOW + 120)
    assert table.remove(file, "k")
    assert not table.remove(file, "k")
    assert table.fail(file, "k", 2, "", NOW, final=False) is None
    file.close()


@pytest.mark.req("SHK-47")
def test_what_ends_its_worker_each_time_is_put_aside(file: sqlite3.Connection) -> None:
    table = retry_table(CONFIG)
    insert(table, file, "k")
    for attempt in range(3):
        assert taken(table, file, NOW + 100 * attempt) == [("k", attempt + 1)]
    rows, next_due = table.take(file, NOW + 300, 9)
    assert (rows, next_due) == ([], NOW + 300)
    assert table.take(file, NOW + 300, 9) == ([], None)
    (dead,) = table.dead(file, 0, 9)
    assert (dead.reason, dead.attempts) == ("attempts", 3)
    file.close()


@pytest.mark.req("SHK-44")
@pytest.mark.parametrize(
    ("sizes", "limit"), [([1] * 11, "retry_rows"), ([50, 50, 1], "retry_bytes"), ([51], "retry_size")]
)
def test_a_full_queue_says_which_limit_it_met(file: sqlite3.Connection, sizes: list[int], limit: str) -> None:
    table = retry_table(CONFIG)
    for number, size in enumerate(sizes[:-1]):
        insert(table, file, f"k{number}", size=size)
    with pytest.raises(LimitExceeded) as caught:
        insert(table, file, "last", size=sizes[-1])
    assert caught.value.name == limit
    assert table.stats(file).rows == len(sizes) - 1
    file.close()


@pytest.mark.req("SHK-44")
def test_dead_ones_take_no_room_and_the_oldest_of_them_goes(file: sqlite3.Connection) -> None:
    table = retry_table(QueueConfig(max_rows=1, max_dead_rows=3, max_dead_bytes=25, backoff_max=9, lease=9))
    for number, size in enumerate([1, 1, 1, 1, 20, 10]):
        insert(table, file, f"k{number}", size=size)
        assert taken(table, file, NOW) == [(f"k{number}", 1)]
        table.fail(file, f"k{number}", 1, "", NOW, final=True)
    assert [entry.key for entry in table.dead(file, 0, 9)] == ["k5"]
    stats = table.stats(file)
    assert (stats.rows, stats.dead_rows, stats.dead_bytes) == (0, 1, 10)
    insert(table, file, "alive")
    with pytest.raises(LimitExceeded):
        table.revive(file, "k5", NOW)
    file.close()


@pytest.mark.req("SHK-43")
def test_a_clock_that_was_set_back_holds_nothing_up(file: sqlite3.Connection) -> None:
    table = retry_table(CONFIG)
    insert(table, file, "far", due=NOW + 16)
    insert(table, file, "leased", leased=True)
    table.take(file, NOW, 9)
    past = NOW - 1_000_000
    assert taken(table, file, past) == []
    assert table.next_due(file) == past + 16
    assert taken(table, file, past + 16) == [("far", 1)]
    assert taken(table, file, past + 60) == [("leased", 2)]
    file.close()


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY + 1)])
def test_keys_have_a_length(file: sqlite3.Connection, key: str) -> None:
    with pytest.raises(LocalError):
        insert(retry_table(CONFIG), file, key)
    file.close()


class Model(RuleBasedStateMachine):
    """The table against a dictionary, over any order of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.file = sqlite3.connect(":memory:", isolation_level=None)
        for statement in MIGRATIONS[0]:
            self.file.execute(statement)
        self.table = retry_table(CONFIG)
        self.now = NOW
        self.state: dict[str, tuple[int, float, float, str]] = {}  # attempts, due, leased until, why dead

    def teardown(self) -> None:
        self.file.close()

    keys = st.sampled_from("abcde")

    @rule(key=keys, leased=st.booleans())
    def add(self, key: str, leased: bool) -> None:
        if key not in self.state:
            values: dict[str, object] = {"due": self.now, "recipient": "b", "address": "", "save": 0, "message": b"x"}
            self.table.insert(self.file, key, 1, values, self.now, leased=leased)
            self.state[key] = (int(leased), self.now, self.now + 60 if leased else 0.0, "")

    @rule(limit=st.integers(1, 3))
    def take(self, limit: int) -> None:
        for key, (attempts, due, leased, dead) in self.state.items():
            if leased <= self.now:
                self.state[key] = (attempts, due, 0.0, dead)
        free = {key for key, (_, due, leased, dead) in self.state.items() if not (dead or leased or due > self.now)}
        first = sorted(self.state[key][1] for key in free)[:limit]
        rows = self.table.take(self.file, self.now, limit)[0]
        spent = {key for key in free if self.state[key][0] == 3 and self.actual(key)[3]}
        assert sorted([row[3] for row in rows] + [self.state[key][1] for key in spent]) == first
        for key in spent:
            self.state[key] = (3, self.state[key][1], 0.0, "attempts")
        for key, attempts, _, due, *_ in rows:
            assert key in free
            assert attempts == self.state[key][0] + 1
            self.state[key] = (attempts, due, self.now + 60, "")

    @rule(key=keys, final=st.booleans())
    def fail(self, key: str, final: bool) -> None:
        attempts, due, leased, dead = self.state.get(key, (0, 0.0, 0.0, "none"))
        verdict = self.table.fail(self.file, key, attempts, "why", self.now, final=final)
        assert (verdict is None) is bool(dead or not leased)
        assert self.table.fail(self.file, key, attempts + 1, "why", self.now, final=final) is None
        if verdict is not None:
            self.state[key] = (attempts, due if verdict.due is None else verdict.due, 0.0, verdict.dead)

    @rule(key=keys)
    def remove(self, key: str) -> None:
        assert self.table.remove(self.file, key) is (self.state.pop(key, None) is not None)

    @rule(key=keys)
    def revive(self, key: str) -> None:
        dead = key in self.state and bool(self.state[key][3])
        assert self.table.revive(self.file, key, self.now) is dead
        if dead:
            self.state[key] = (0, self.now, 0.0, "")

    @rule(seconds=st.sampled_from([0.5, 5.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_table_is_as_the_dictionary(self) -> None:
        assert {key: self.actual(key) for key in self.state} == self.state
        stats = self.table.stats(self.file)
        alive = [key for key, entry in self.state.items() if not entry[3]]
        assert (stats.rows, stats.bytes) == (len(alive), len(alive))
        assert stats.dead_rows == len(self.state) - len(alive)
        times = [self.state[key][2] or self.state[key][1] for key in alive]
        assert stats.next_due == min(times, default=None)

    def actual(self, key: str) -> tuple[int, float, float, str]:
        row: tuple[int, float, float, str] = self.file.execute(
            "SELECT attempts, due, leased_until, dead FROM retry WHERE key = ?", (key,)
        ).fetchone()
        return row


TestModel = Model.TestCase
