from __future__ import annotations

from p2pstack.kad.bucket import Bucket, Entry
from tests.kad.making import contact, peer


def test_who_was_heard_of_last_stands_last() -> None:
    bucket = Bucket()
    for number in range(3):
        bucket.entries[peer(number)] = Entry(contact(number), 0.0)
    bucket.move_to_end(peer(0))
    assert list(bucket.entries) == [peer(1), peer(2), peer(0)]


def test_replacements_are_bounded_and_the_last_one_comes_first() -> None:
    bucket = Bucket()
    for number in (1, 2, 3, 1, 4):
        bucket.wait(contact(number), 3)
    assert list(bucket.replacements) == [peer(3), peer(1), peer(4)]
    assert [bucket.next_replacement() for _ in range(4)] == [contact(4), contact(1), contact(3), None]
