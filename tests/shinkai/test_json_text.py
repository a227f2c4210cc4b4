"""JSON within bounds: what serde_json refuses is refused, and nothing but a MessageError comes out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalError
from p2pstack.shinkai import json_text
from p2pstack.shinkai.errors import MalformedMessage, MessageError, OversizedMessage, TooDeep
from p2pstack.shinkai.json_text import MAX_DEPTH, MAX_STRUCTURE, Members
from tests.shinkai.messages import json_values


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.req("SHK-15")
def test_nesting_is_bounded() -> None:
    json_text.read(nested(MAX_DEPTH))
    for text in (nested(MAX_DEPTH + 1), nested(30_000), '{"a":' * 10_000, '{"a":[' * 5_000 + "]}" * 5_000):
        with pytest.raises(TooDeep) as caught:
            json_text.read(text)
        assert caught.value.reason == "too-deep"


@pytest.mark.req("SHK-15")
def test_many_brackets_beside_each_other_or_in_texts_are_not_nested() -> None:
    assert json_text.read("[" + ",".join(["[]"] * 1000) + "]") == [[]] * 1000
    assert json_text.read(json.dumps("[" * 1000)) == "[" * 1000
    text = 'quote " backslash \\ ' + '{["' * 500
    assert json_text.read(json.dumps([text])) == [text]


@pytest.mark.req("SHK-15")
@pytest.mark.parametrize("tail", ["", "\\"])
def test_a_text_without_end_is_gone_through_once(tail: str) -> None:
    """Taken for structure, it would be too much of that; and gone through once more from each of its quotes."""
    with pytest.raises(MalformedMessage):
        json_text.read('{"a":"' + '\\"' * MAX_STRUCTURE + tail)


@pytest.mark.req("SHK-15")
def test_what_stands_outside_of_texts_is_bounded() -> None:
    for text in ("[" + ",".join(["[]"] * 50_000) + "]", " " * (MAX_STRUCTURE + 1) + "1", "9" * (MAX_STRUCTURE + 1)):
        with pytest.raises(OversizedMessage) as caught:
            json_text.read(text)
        assert caught.value.reason == "oversized"
    assert json_text.read(json.dumps("x" * MAX_STRUCTURE * 2)) == "x" * MAX_STRUCTURE * 2
    assert json_text.read("9" * MAX_STRUCTURE) == 0
    with pytest.raises(OversizedMessage):
        json_text.read_numbers("[1, 2]", max_structure=3)


@pytest.mark.req("SHK-14")
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "{", "１", '{"a":1', "nul", "NaN", "[Infinity]", "-Infinity", "01", "1.", ".5", "+1", "1e", "'a'",
        '"a', '"\n"',
        '"\\x"', '"\\u12"', "[1,]", '{"a":1,}', "{1:2}", '{"a"}', "1 2", "{} }", "\ufeff{}", "/**/1", '"\\', '"\\"',
    ],
)  # fmt: skip
def test_what_is_no_json(text: str) -> None:
    for read in (json_text.read, json_text.read_numbers):
        with pytest.raises(MalformedMessage) as caught:
            read(text)
        assert caught.value.reason == "malformed"
        assert caught.value.__context__ is None


@pytest.mark.req("SHK-14")
def test_numbers_are_skipped_or_read_as_serde_reads_them() -> None:
    assert json_text.read("[1, -2.5, 1e999, " + "1" * 5000 + "]") == [0, 0, 0, 0]
    numbers = json_text.read_numbers(f"[{2**64 - 1}, {2**64}, {-(2**63)}, {-(2**63) - 1}, {10**40}, 1.5e3, -0]")
    assert numbers == [2**64 - 1, float(2**64), -(2**63), float(-(2**63) - 1), 1e40, 1500.0, 0]
    assert isinstance(numbers, list)
    assert [type(number) for number in numbers] == [int, float, int, float, float, float, int]
    for text in ("1e999", "-1e999", "9" * 5000):
        with pytest.raises(MalformedMessage, match="out of range"):
            json_text.read_numbers(text)


def test_objects_keep_every_member() -> None:
    value = json_text.read('{"a":null,"b":[],"a":true}')
    assert isinstance(value, Members)
    assert value.pairs == [("a", None), ("b", []), ("a", True)]
    assert json_text.plain(value) == {"a": True, "b": []}


@pytest.mark.req("SHK-14")
@pytest.mark.parametrize("text", [r'"\ud800"', r'"\udc00\ud800"', r'["\ud83e"]', r'{"\udfff":1}'])
def test_half_a_surrogate_pair_is_refused_where_it_is_looked_at(text: str) -> None:
    with pytest.raises(MalformedMessage, match="surrogate"):
        json_text.plain(json_text.read(text))


@pytest.mark.req("SHK-14")
def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert json_text.plain(json_text.read(r'"\ud83e\udd80 é"')) == "🦀 é"


@pytest.mark.req("SHK-14", "SHK-15")
def test_bytes_are_utf8_of_a_bounded_size() -> None:
    assert json_text.text_of(memoryview("é".encode()), max_size=2) == "é"
    with pytest.raises(OversizedMessage):
        json_text.text_of(b"abc", max_size=2)
    for data in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xff\xfe{\x00}\x00"):
        with pytest.raises(MalformedMessage, match="UTF-8"):
            json_text.text_of(data, max_size=10)


@pytest.mark.req("SHK-10")
def test_what_is_written_is_compact_and_escapes_what_serde_escapes() -> None:
    text = "".join(map(chr, range(0x22))) + "\\/\x7f\x80\u2028é🦀"
    written = json_text.compact({"b": text, "a": [1, None, True]})
    assert written == (
        '{"b":"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\\u0010\\u0011'
        "\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\\u001f !"
        '\\\\/\x7f\x80\u2028é🦀","a":[1,null,true]}'
    )
    assert json_text.canonical({"b": {"d": 1, "c": 2}, "a": []}) == '{"a":[],"b":{"c":2,"d":1}}'


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_what_has_no_json_is_the_caller_s_mistake(value: object) -> None:
    with pytest.raises(LocalError, match="can't be JSON"):
        json_text.compact([value])


def test_half_a_surrogate_pair_is_not_sent() -> None:
    assert json_text.utf8("é") == b"\xc3\xa9"
    with pytest.raises(LocalError, match="Unicode"):
        json_text.utf8("\ud800")


@given(json_values)
def test_values_survive(value: object) -> None:
    written = json_text.compact(value)
    again = json_text.plain(json_text.read_numbers(written))
    assert again == json.loads(written, parse_int=lambda text: int(text) if abs(int(text)) < 2**63 else float(text))


@given(st.text(max_size=60) | st.text('{}[]":,\\u12ed8 \n', max_size=60))
def test_any_text_is_json_or_refused(text: str) -> None:
    try:
        value = json_text.plain(json_text.read_numbers(text))
    except MessageError:
        return
    assert json_text.plain(json_text.read_numbers(json_text.compact(value))) == value
