from __future__ import annotations

import json

import pytest

from fuzz.source import Source
from fuzz.surgery import operate

TEXT = '{"a":["é",null],"b":{"c":true}}'


def test_nothing_is_changed_without_an_operation() -> None:
    assert operate(TEXT, Source(b"")) == TEXT.encode()


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (b"\x00\x01", '{"b":{"c":true}}'),
        (b"\x01\x01", '{"a":["é",null],"a":["é",null],"b":{"c":true}}'),
        (b"\x02\x02\x01", '{0:["é",null],"b":{"c":true}}'),
        (b"\x03\x04\x05", '{"a":[true,"é",null],"b":{"c":true}}'),
        (b"\x04\x00\x00\x00", '{"unknown":null,"a":["é",null],"b":{"c":true}}'),
        (b"\x05\x00", '[["é",null],{"c":true}]'),
        (b"\x05\x04", '{"a":[{"é":null},null],"b":{"c":true}}'),
        (b"\x06\x04\x03", '{"a":[[[["é"]]],null],"b":{"c":true}}'),
        (b"\x07\x00\x00", '""'),
        (b"\x08\x04\x02hi", '{"a":["hi",null],"b":{"c":true}}'),
        (b"\x00\x00\x00", ""),
    ],
)
def test_operations(steps: bytes, expected: str) -> None:
    assert operate(TEXT, Source(steps)).decode() == expected


@pytest.mark.parametrize("many", [1, 2])
def test_there_can_be_much_of_it(many: int) -> None:
    made = operate(TEXT, Source(bytes((7, 0, many))))
    assert len(made) > 200 * many
    assert json.loads(made)
