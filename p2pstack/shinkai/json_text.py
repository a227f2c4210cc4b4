"""JSON text to values and back, as serde_json reads and writes it, within bounds (SHK-14, SHK-15).

Python's parser takes more than serde's does (``NaN``, doubled keys, half surrogates), raises what it likes on nested or
huge input, and builds all of it before anybody looks. Here the text is bounded first, and everything that is refused is
a :class:`MessageError`.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from p2pstack.errors import LocalError
from p2pstack.shinkai.errors import MalformedMessage, OversizedMessage, TooDeep
from p2pstack.wire import Buffer

__all__ = [
    "MAX_DEPTH",
    "MAX_STRUCTURE",
    "Members",
    "canonical",
    "checked",
    "compact",
    "plain",
    "read",
    "read_numbers",
    "text_of",
    "utf8",
]

MAX_DEPTH = 127
"""Objects and arrays that may lie in each other: as many as serde_json descends into."""

MAX_STRUCTURE = 65_536
"""Characters outside of texts: keys aside, a message has 200 of them. Four of them can cost 100 bytes of memory."""

_TEXTS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Texts, also one that does not end: else the search would go through all of that again from each quote in it."""

_BRACKETS = re.compile(r"[\[\]{}]")
_SURROGATES = re.compile("[\ud800-\udfff]")

_INTEGER_DIGITS = 20
"""Digits of the longest integer that serde_json keeps exactly, with its sign."""


class Members:
    """A JSON object as it was read: its members in their order, keys that come twice included."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs


def read(text: str, *, max_structure: int = MAX_STRUCTURE) -> object:
    """Parse JSON, surrounded by white space or not, whose numbers do not matter: each is read as 0.

    Objects come as :class:`Members`. Texts may hold half surrogates, which :func:`text_of` refuses where it counts.

    Raises:
        MalformedMessage: it is no JSON.
        OversizedMessage: more than ``max_structure`` characters stand outside of texts.
        TooDeep: it is nested deeper than ``MAX_DEPTH``.
    """
    return _read(_WITHOUT_NUMBERS, text, max_structure)


def read_numbers(text: str, *, max_structure: int = MAX_STRUCTURE) -> object:
    """Parse JSON with its numbers, which become int within 64 bits and float beyond, as in serde_json.

    Raises:
        MalformedMessage: it is no JSON, or a number is too large for a float.
        OversizedMessage: more than ``max_structure`` characters stand outside of texts.
        TooDeep: it is nested deeper than ``MAX_DEPTH``.
    """
    return _read(_WITH_NUMBERS, text, max_structure)


def _read(decoder: json.JSONDecoder, text: str, max_structure: int) -> object:
    if len(text) > max_structure or text.count("{") + text.count("[") > MAX_DEPTH:
        _bound(text, max_structure)
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        why = f"{error.msg} at character {error.pos}"
    # Raised out here, without that error as its context: it would keep the whole text alive.
    raise MalformedMessage(f"this is no JSON: {why}", requirement="SHK-14")


def _bound(text: str, max_structure: int) -> None:
    structure = _TEXTS.sub("", text)
    if len(structure) > max_structure:
        raise OversizedMessage(
            f"JSON with {len(structure)} characters outside of texts, {max_structure} are allowed", requirement="SHK-15"
        )
    depth = 0
    for found in _BRACKETS.finditer(structure):
        depth += 1 if found.group() in "[{" else -1
        if depth > MAX_DEPTH:
            raise TooDeep(f"JSON nested deeper than {MAX_DEPTH}", requirement="SHK-15")


def _refuse(constant: str) -> NoReturn:
    raise MalformedMessage(f"{constant} is no JSON", requirement="SHK-14")


def _integer(digits: str) -> int | float:
    if len(digits) <= _INTEGER_DIGITS:
        number = int(digits)
        if -(2**63) <= number < 2**64:
            return number
    return _float(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise MalformedMessage("a number is out of range", requirement="SHK-14")
    return number


def _no_number(_: str) -> int:
    return 0


_WITHOUT_NUMBERS = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=_no_number, parse_float=_no_number, parse_constant=_refuse
)
_WITH_NUMBERS = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=_integer, parse_float=_float, parse_constant=_refuse
)


def text_of(data: Buffer, *, max_size: int) -> str:
    """Return the text that ``data`` is in UTF-8.

    Raises:
        OversizedMessage: it has more than ``max_size`` bytes.
        MalformedMessage: it is not UTF-8.
    """
    if len(data) > max_size:
        raise OversizedMessage(f"{len(data)} bytes, {max_size} are allowed", requirement="SHK-15")
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise MalformedMessage(
            f"this is not UTF-8: {error.reason} at byte {error.start}", requirement="SHK-14"
        ) from None


def checked(text: str) -> str:
    """Return ``text``, which came out of JSON.

    Raises:
        MalformedMessage: it holds half of a surrogate pair, which is no character.
    """
    if not text.isascii() and _SURROGATES.search(text):
        raise MalformedMessage("a text holds half of a surrogate pair", requirement="SHK-14")
    return text


def plain(value: object) -> object:
    """Return what :func:`read_numbers` gave in plain Python: dicts, lists, texts, numbers, booleans and None.

    Of members with the same key the last one counts.

    Raises:
        MalformedMessage: a text in it holds half of a surrogate pair.
    """
    if isinstance(value, str):
        return checked(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Members):
        return {checked(key): plain(item) for key, item in value.pairs}
    return value


_compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_canonical = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def compact(value: object) -> str:
    """Return ``value`` as JSON without white space, objects in the order that they have (SHK-10).

    Raises:
        LocalError: there is no JSON for a value in it.
    """
    try:
        return _compact.encode(value)
    except (TypeError, ValueError) as error:
        raise LocalError(f"this can't be JSON: {error}") from error


def canonical(value: object) -> str:
    """Return ``value`` as JSON without white space, keys sorted at every level: what is signed (SHK-17)."""
    return _canonical.encode(value)


def utf8(text: str) -> bytes:
    """Return ``text``, which was made on this side, in UTF-8.

    Raises:
        LocalError: it holds half of a surrogate pair, which is no character.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalError("a message's texts must be valid Unicode") from error
