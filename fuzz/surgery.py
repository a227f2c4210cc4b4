"""JSON that is nearly right: a good value, at which the bytes of an input do what byte mutations hardly ever get right.

Members vanish, come twice, or change places; values become others, arrays, or deeply nested; what is written may be no
JSON any more.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from fuzz.source import Source

__all__ = ["operate"]

_MAX_STEPS = 8

_ODD = (
    *("null", "0", "-1.5e3", "1e999", "9" * 30, "true", "NaN", "-Infinity", "[]", "{}", "[[]]", "{}{}", "", "nul", '"'),
    *('""', '"None"', '"default"', '"V1_0"', '"V2_0"', '"Unsupported"', '{"None":null}', '{"None":0}', '["None"]'),
    *(r'"\ud800"', r'"\udc00\ud800"', r'"\ud83e\udd80"', '"\u00e9\u2028\U0001f980"', r'"\u0000\b\"\\\/"', r'"\x"'),
    *('"encrypted"', '"unencrypted"', '{"encrypted":{"content":""}}', '{"encrypted":["x"]}', '{"encrypted":null}'),
    *(
        '{"content":"","content":""}',
        '["","",""]',
        '["","","","None"]',
        '{"a":"b","a":"b"}',
        '"\n"',
        " \t\r\n",
        "\ufeff",
    ),
)
"""What may stand in the place of any value, key or member."""


class _Object(list[Any]):
    """A JSON object as a list of its members."""


class _Member(list[Any]):
    """A key and its value."""


class _Raw(str):
    """What is written as it is."""

    __slots__ = ()


def operate(text: str, source: Source) -> bytes:
    """Return the JSON ``text`` in UTF-8, changed by at most eight operations that ``source`` describes."""
    root = [json.loads(text, object_pairs_hook=lambda pairs: _Object(_Member(pair) for pair in pairs))]
    for operation in source.steps(_MAX_STEPS):
        places = _places(root)
        if not places:
            break
        holder, index = places[source.byte() % len(places)]
        _change(holder, index, operation % 9, source)
    return ",".join(map(_written, root)).encode()


def _places(holder: list[Any]) -> list[tuple[list[Any], int]]:
    found = []
    for index, value in enumerate(holder):
        found.append((holder, index))
        if isinstance(value, list):
            found += _places(value)
    return found


def _change(holder: list[Any], index: int, operation: int, source: Source) -> None:
    value = holder[index]
    match operation:
        case 0:
            del holder[index]
        case 1:
            holder.insert(index, copy.deepcopy(value))
        case 2:
            holder[index] = _Raw(_ODD[source.byte() % len(_ODD)])
        case 3:
            holder.insert(index, _Raw(_ODD[source.byte() % len(_ODD)]))
        case 4:
            unknown = _Member(("unknown", _Raw(_ODD[source.byte() % len(_ODD)])))
            (value if isinstance(value, _Object) else holder).insert(source.byte() % 8, unknown)
        case 5 if isinstance(value, _Object):
            holder[index] = [member[-1] if isinstance(member, list) and member else member for member in value]
        case 5:
            holder[index] = _Object([_Member((value, None))])
        case 6:
            depth = source.byte()
            holder[index] = _Raw("[" * depth + _written(value) + "]" * depth)
        case 7:
            # Up to 153,000 characters outside of texts, or in one.
            many = source.byte() * 200
            holder[index] = _Raw(f"[{'[],' * many}0]" if many % 400 else f'"{"[{" * many}"')
        case _:
            holder[index] = source.piece().decode("utf-8", "replace")


def _written(value: Any) -> str:
    if isinstance(value, _Raw):
        return str(value)
    if isinstance(value, _Member):
        return ":".join(map(_written, value))
    if isinstance(value, list):
        opened, closed = "{}" if isinstance(value, _Object) else "[]"
        return opened + ",".join(map(_written, value)) + closed
    return json.dumps(value, ensure_ascii=False)
