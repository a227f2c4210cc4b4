"""Shinkai: frames over TCP, encrypted bodies and contents, names and inboxes; messages are next door."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from fuzz.expect import caught
from fuzz.source import Source, segments
from p2pstack.crypto import aead
from p2pstack.errors import DecodeError, Truncated
from p2pstack.shinkai import encryption, frames, inboxes, json_form, names, relay_proof
from p2pstack.shinkai.errors import (
    BadCiphertext,
    InvalidInbox,
    InvalidKey,
    InvalidName,
    MalformedMessage,
    MessageError,
    OversizedMessage,
    StillEncrypted,
    Undecryptable,
    UnknownSchema,
)
from p2pstack.shinkai.inboxes import InboxName
from p2pstack.shinkai.keys import EncryptionPublicKey, NodeKeys
from p2pstack.shinkai.message import (
    EncryptedBody,
    EncryptedData,
    ShinkaiData,
)
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.schemas import MessageSchemaType

ALICE, BOB, MALLORY = (NodeKeys.unsafe_deterministic(number) for number in range(3))

Found = TypeVar("Found")
Outcome = tuple[type[MessageError] | None, Any]


def any_text(data: bytes) -> str:
    """Any text at all: what is no UTF-8 gives halves of surrogate pairs."""
    return data.decode("utf-8", "surrogateescape")


def is_unicode(text: str) -> bool:
    """Tell whether a text can be sent."""
    return caught(UnicodeEncodeError, text.encode) is None


def result_of(call: Callable[..., Found], *arguments: Any) -> tuple[type[MessageError] | None, Found | None]:
    """Call; return what comes, or the class of the error, which has to be fit for a log and to name its rule."""
    try:
        return None, call(*arguments)
    except MessageError as refused:
        error = refused
    assert str(error).isprintable()
    assert len(str(error)) < 1_000
    assert error.requirement.startswith("SHK-") or isinstance(error, StillEncrypted)
    assert error.reason != MessageError.reason
    return type(error), None


# Frames and the texts of relays

_WIDE = frames.FrameConfig()
_NARROW = frames.FrameConfig(max_identity=13, max_payload=100)


def frame(data: bytes) -> None:
    """Cuts change nothing, no more than a frame is held, and frames are what was fed."""
    mode = Source(data).byte() % 4
    pieces = segments(data[1:])
    if mode >= 2:
        _relay((relay_proof.decode_text, relay_proof.decode_answer)[mode - 2], pieces)
        return
    config = (_WIDE, _NARROW)[mode]
    whole = b"".join(pieces)
    expected, fault = _cut_up(whole, config)
    for cuts in (pieces, [whole]):
        found, error = _read(frames.FrameReader(config), cuts, config)
        assert error is fault
        assert found == expected[: len(found)]
        if fault in (None, Truncated):
            assert found == expected
        assert whole.startswith(b"".join(frames.encode_frame(each, config) for each in found))


def _cut_up(stream: bytes, config: frames.FrameConfig) -> tuple[list[frames.Frame], type[DecodeError] | None]:
    """The frames of a whole stream, and why it ends before its end; as plainly as it can be said."""
    found: list[frames.Frame] = []
    while stream:
        if len(stream) < 4:
            return found, Truncated
        total, length = int.from_bytes(stream[:4], "big"), int.from_bytes(stream[4:8], "big")
        if total < 5:
            return found, MalformedMessage
        if total > 5 + config.max_identity + config.max_payload:
            return found, OversizedMessage
        if len(stream) < 8:
            return found, Truncated
        if length + 5 > total:
            return found, MalformedMessage
        if length > config.max_identity or total - length - 5 > config.max_payload:
            return found, OversizedMessage
        if len(stream) > 8 + length and stream[8 + length] not in (1, 3):
            return found, frames.UnknownFrameType
        if len(stream) < 4 + total:
            return found, Truncated
        if not is_unicode(any_text(stream[8 : 8 + length])):
            return found, MalformedMessage
        kind = frames.MessageType(stream[8 + length])
        found.append(frames.Frame(any_text(stream[8 : 8 + length]), kind, stream[9 + length : 4 + total]))
        stream = stream[4 + total :]
    return found, None


def _read(
    reader: frames.FrameReader, pieces: list[bytes], config: frames.FrameConfig
) -> tuple[list[frames.Frame], type[DecodeError] | None]:
    found: list[frames.Frame] = []
    for piece in pieces:
        error, got = result_of(reader.receive_data, piece)
        if error is not None:
            assert reader.buffered == 0
            assert result_of(reader.receive_data, b"more") == result_of(reader.receive_eof) == (error, None)
            return found, error
        found += got or ()
        assert reader.buffered < 9 + config.max_identity + config.max_payload
    ended = caught(Truncated, reader.receive_eof)
    assert (ended is None) == (reader.buffered == 0)
    return found, None if ended is None else Truncated


def _relay(read: Callable[[bytes], tuple[Any, ...] | None], pieces: list[bytes]) -> None:
    """The beginning of a text says the same as all of it, or nothing yet."""
    whole = b"".join(pieces)
    error, found = result_of(read, whole)
    assert error in (None, MalformedMessage, OversizedMessage)
    fed = b""
    for piece in pieces:
        fed += piece
        assert result_of(read, fed) in ((error, found), (None, None))
    if found is None:
        assert error is not None or len(whole) < 4 + relay_proof.MAX_TEXT
        return
    size = found[-1]
    assert size <= len(whole)
    assert result_of(read, whole[:size]) == (None, found)
    assert result_of(read, whole[: size - 1]) == (None, None)
    if len(found) == 2:
        assert relay_proof.encode_text(found[0]) == whole[:size]
    else:
        assert relay_proof.verify_answer("challenge", found[1], found[0]) in (True, False)
        assert bytes.fromhex(whole[8:72].decode()) == found[0].data


# Encrypted bodies and contents

_NONCE = bytes(range(aead.NONCE_SIZE))
_FRAME = re.compile(r"encrypted(?::((?:[0-9a-fA-F]{2})*)(?::.*)?)?", re.DOTALL)
_KEY = encryption.cipher_key(ALICE.encryption, BOB.encryption.public)
_SECRETS = (b'{"message_data":["hi","TextContent"],"internal_metadata":["","","","","None",null]}', b"helloTextContent")


def _sealed(plaintext: bytes, lengths: bytes = b"") -> str:
    """What Alice sends to Bob, put together by hand."""
    return "encrypted:" + (lengths + _NONCE + aead.aead(_KEY).encrypt(_NONCE, plaintext, None)).hex()


def cipher(data: bytes) -> None:
    """Only what was sealed is opened, by either side, and it says what was sealed; the rest is refused by name."""
    source = Source(data)
    mode = source.byte() % 4
    if mode == 0:
        text = any_text(data[1:])
        assert _opened_body(text)[0] in (BadCiphertext, Undecryptable)
        assert _opened_content(text)[0] in (BadCiphertext, Undecryptable)
    elif mode == 1:
        assert _opened_body(_sealed(data[1:])) == result_of(json_form.decode_body, data[1:])
    elif mode == 2:
        length = source.byte() << (source.byte() % 64)
        plaintext = source.rest()
        lengths = (length % 2**64).to_bytes(8, "little") + plaintext[:8].ljust(8, b"\xff")
        assert _opened_content(_sealed(plaintext, lengths)) == _split(plaintext, length % 2**64)
    else:
        _check_changed(source)


def _check_changed(source: Source) -> None:
    """A genuine text, with other characters in some places."""
    body = source.byte() % 2 == 1
    secret = _SECRETS[not body]
    text = _sealed(secret, b"" if body else (5).to_bytes(8, "little") + (11).to_bytes(8, "little"))
    for _ in source.steps(4):
        place, size = source.byte() % (len(text) + 1), source.byte() % 4
        text = text[:place] + any_text(source.piece()) + text[place + size :]
    result = (_opened_body if body else _opened_content)(text)
    found = _FRAME.fullmatch(text)
    sealed = bytes.fromhex(found[1] or "") if found else b""
    rest = sealed if body else sealed[16:]
    if found is None or len(rest) < aead.NONCE_SIZE + aead.TAG_SIZE:
        assert result == (BadCiphertext, None)
    elif "encrypted:" + rest.hex() != _sealed(secret):
        assert result == (Undecryptable, None)
    elif body:
        assert result == result_of(json_form.decode_body, secret)
    else:
        assert result == _split(secret, int.from_bytes(sealed[:8], "little"))


def _split(plaintext: bytes, length: int) -> Outcome:
    """What a content is whose text ends at ``length``."""
    if length > len(plaintext) or not all(map(is_unicode, map(any_text, (plaintext[:length], plaintext[length:])))):
        return BadCiphertext, None
    schema = plaintext[length:].decode() or "Empty"
    if schema not in set(MessageSchemaType) or plaintext[length:] == b"Empty":
        return UnknownSchema, None
    return None, ShinkaiData(plaintext[:length].decode(), MessageSchemaType(schema))


def _opened_body(text: str) -> Outcome:
    result = _opened(encryption.decrypt_body, EncryptedBody(text))
    if result[1] is not None:
        again = encryption.encrypt_body(result[1], BOB.encryption, ALICE.encryption.public, _entropy)
        assert _opened(encryption.decrypt_body, again) == result
    return result


def _opened_content(text: str) -> Outcome:
    result = _opened(encryption.decrypt_content, EncryptedData(text))
    # That one schema is written under a name that no reader knows.
    if result[1] is not None and result[1].message_content_schema is not MessageSchemaType.ENCRYPTED_FILE_CONTENT:
        again = encryption.encrypt_content(result[1], BOB.encryption, ALICE.encryption.public, _entropy)
        assert _opened(encryption.decrypt_content, again) == result
    return result


def _entropy(size: int) -> bytes:
    return _NONCE[:size]


def _opened(decrypt: Callable[..., Found], encrypted: EncryptedBody | EncryptedData) -> Outcome:
    """What both sides make of it, and nobody else."""
    result = result_of(decrypt, encrypted, BOB.encryption, ALICE.encryption.public)
    assert result_of(decrypt, encrypted, ALICE.encryption, BOB.encryption.public) == result
    other, _ = result_of(decrypt, encrypted, MALLORY.encryption, ALICE.encryption.public)
    # A length beyond the plaintext is told only to who has the key.
    assert other in (BadCiphertext, Undecryptable)
    zero = EncryptionPublicKey(bytes(32))
    assert result_of(decrypt, encrypted, BOB.encryption, zero)[0] in (BadCiphertext, InvalidKey)
    return result


# Names and inboxes

_NAME = re.compile(r"@@[\w.]+\.(?:|sepolia-|arb-sep-|sep-)shinkai(?:/\w*(?:/(?:agent|device)/\w*)?)?", re.ASCII)


def name(data: bytes) -> None:
    """What is a name or an inbox is one again, and the same, in the form that it is kept in."""
    source = Source(data)
    mode = source.byte() % 3
    if mode == 0:
        _check_name(any_text(data[1:]))
    elif mode == 1:
        _check_inbox(any_text(data[1:]))
    else:
        _check_inbox_of(*(any_text(source.piece()) for _ in range(4)), end_to_end=source.byte() % 2 == 1)


def _check_name(text: str) -> None:
    repaired = names.repair(text)
    assert names.repair(repaired) == repaired
    for each in (text, repaired):
        assert names.is_valid(each) == bool(_NAME.fullmatch(each))
    error, found = result_of(ShinkaiName.parse, text)
    assert error is (None if _NAME.fullmatch(repaired) else InvalidName)
    if found is None:
        return
    full = found.full_name
    assert full == str(found) == repaired.lower()
    assert names.repair(full) == full
    again = ShinkaiName.parse(full)
    assert (again, again.full_name) == (found, full)
    parts = (found.node_name, found.profile_name, found.subidentity_type, found.subidentity_name)
    assert "/".join(part for part in parts if part is not None).lower() == full
    assert found.node == ShinkaiName.parse(found.node_name) == found.node.node
    assert found.node.contains(found)
    assert found.contains(found.node) == (found == found.node)
    below = full[len(found.node_name) + 1 :]
    assert not below or ShinkaiName.under(found.node_name, below) == found


def _check_inbox(text: str) -> None:
    error, found = result_of(InboxName.parse, text)
    if found is None:
        assert error is InvalidInbox
        return
    assert found.value == str(found) == text.lower()
    assert InboxName.parse(found.value) == found
    kind, *middle, last = found.value.split("::")
    assert 1 <= len(middle) <= inboxes.MAX_PARTS - 2
    assert found.end_to_end == (last == "true")
    if found.job_id is not None:
        assert (kind, last, found.identities) == ("job_inbox", "false", ())
        assert found.job_id == middle[0] != ""
        assert InboxName.of_job("::".join(middle)) == found
        return
    assert (kind, [str(each) for each in found.identities]) == ("inbox", middle)
    if len(middle) == 2 and middle == sorted(middle):
        assert InboxName.between(*found.identities, end_to_end=found.end_to_end) == found


def _check_inbox_of(first: str, below_first: str, second: str, below_second: str, *, end_to_end: bool) -> None:
    def inbox(*parts: str) -> Outcome:
        return result_of(lambda: InboxName.of_message(*parts, end_to_end=end_to_end))

    error, found = inbox(first, below_first, second, below_second)
    assert inbox(second, below_second, first, below_first) == (error, found)
    if found is None:
        assert error is InvalidInbox
        halves = ((first, below_first), (second, below_second))
        assert InvalidName in [result_of(ShinkaiName.under, *half)[0] for half in halves]
        return
    assert found.end_to_end == end_to_end
    _check_inbox(found.value)
