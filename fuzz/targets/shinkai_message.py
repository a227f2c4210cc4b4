"""Messages of Shinkai as JSON, and what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fuzz.expect import caught
from fuzz.source import Source
from fuzz.surgery import operate
from fuzz.targets.shinkai import ALICE, BOB, MALLORY, any_text, is_unicode, result_of
from p2pstack.errors import LocalError
from p2pstack.shinkai import contents, encryption, json_form, json_text, signatures
from p2pstack.shinkai.errors import (
    BadCiphertext,
    BadSignature,
    InvalidName,
    MalformedMessage,
    OversizedMessage,
    StillEncrypted,
    TooDeep,
    Undecryptable,
    UnknownSchema,
)
from p2pstack.shinkai.message import (
    EncryptedBody,
    EncryptedData,
    ExternalMetadata,
    InternalMetadata,
    NodeApiData,
    ShinkaiBody,
    ShinkaiData,
    ShinkaiMessage,
)
from p2pstack.shinkai.pagination import pagination_hash
from p2pstack.shinkai.schemas import MessageSchemaType
from tests.vectors import load

_VECTORS = load("shinkai")["messages"]
_GENUINE = {vector["outer_hash_blake3"] for vector in _VECTORS}
_TEXTS: list[str] = [_VECTORS[number]["wire_json"] for number in (3, 4, 11)]  # plain, content encrypted, both
_TEXTS.append(
    json_form.encode(
        json_form.decode(_TEXTS[0].encode()).with_node_api_data(
            NodeApiData(parent_hash="", node_message_hash="a", node_timestamp="b")
        )
    ).decode()
)

_MESSAGE = ("body", "external_metadata", "encryption", "version")
_DATA = ("message_raw_content", "message_content_schema")
_INTERNAL = ("sender_subidentity", "recipient_subidentity", "inbox", "signature", "encryption", "node_api_data")
_EXTERNAL = ("sender", "recipient", "scheduled_time", "signature", "intra_sender", "other")
_API_DATA = ("parent_hash", "node_message_hash", "node_timestamp")


def message(data: bytes) -> None:
    """What is a message means what its JSON says, has one canonical form, and can be asked, hashed and verified."""
    source = Source(data)
    mode = source.byte() % 5
    if mode == 3:
        _check_any(source)
        return
    if mode == 4:
        _check_content(any_text(data[1:]))
        return
    raw = operate(_TEXTS[source.byte() % len(_TEXTS)], source) if mode == 2 else data[1:]
    limit = json_form.MAX_SIZE if mode == 2 else 3_000
    error, found = result_of(lambda: json_form.decode(raw, max_size=limit, bare=mode == 1))
    if found is None:
        assert error in (MalformedMessage, OversizedMessage, TooDeep)
        return
    assert len(raw) <= limit
    if mode == 1:
        assert (raw[:1], raw[-1:]) == (b"{", b"}")
    value = json.loads(raw.decode(), parse_int=len, parse_float=len, parse_constant=int)
    assert _depth(value) <= json_text.MAX_DEPTH
    assert json_form.encode(found) == _plain(_meaning(value))
    _check_message(found)


def _plain(value: Any, *, sort_keys: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys).encode()


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _named(value: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    """A structure, which may be an array, with all its fields in order."""
    values = value if isinstance(value, list) else [value.get(field) for field in fields]
    return dict(zip(fields, values, strict=True))


def _name(value: Any) -> Any:
    return value if isinstance(value, str) else next(iter(value))


def _tagged(value: dict[str, Any], read: Callable[[Any], Any]) -> dict[str, Any]:
    ((tag, inner),) = value.items()
    return {tag: read(inner) if tag == "unencrypted" else _named(inner, ("content",))}


def _meaning(value: Any) -> dict[str, Any]:
    """The canonical form of a message that is known to be one."""
    found = _named(value, _MESSAGE)
    version = found["version"] if found["version"] == "V1_0" else "Unsupported"
    return {
        "body": _tagged(found["body"], _body_meaning),
        "external_metadata": _named(found["external_metadata"], _EXTERNAL),
        "encryption": _name(found["encryption"]),
        "version": version,
    }


def _body_meaning(value: Any) -> dict[str, Any]:
    found = _named(value, ("message_data", "internal_metadata"))
    internal = _named(found["internal_metadata"], _INTERNAL)
    api_data = internal.pop("node_api_data")
    internal["encryption"] = _name(internal["encryption"])
    if api_data is not None:
        internal["node_api_data"] = _named(api_data, _API_DATA)
    data = _tagged(found["message_data"], lambda inner: _named(inner, _DATA))
    if "unencrypted" in data:
        data["unencrypted"]["message_content_schema"] = _name(data["unencrypted"]["message_content_schema"])
    return {"message_data": data, "internal_metadata": internal}


def _check_message(found: ShinkaiMessage) -> None:
    encoded = json_form.encode(found)
    assert json_form.decode(encoded, max_size=len(encoded), bare=True) == found
    value = json.loads(encoded)
    value["external_metadata"]["signature"] = ""
    if not isinstance(found.body, EncryptedBody):
        value["body"]["unencrypted"]["internal_metadata"].pop("node_api_data", None)
        assert pagination_hash(found) == pagination_hash(found.with_node_api_data(None))
    assert signatures.outer_text(found).encode() == _plain(value, sort_keys=True)
    key = ALICE.signature.public_key
    outer, _ = result_of(signatures.verify_outer, found, key)
    if outer is None:
        assert signatures.outer_hash(found).hex() in _GENUINE
        assert re.fullmatch("[0-9a-fA-F]{128}", found.external_metadata.signature)
    else:
        assert outer is BadSignature
    inner, _ = result_of(signatures.verify_inner, found, key)
    signatures.verify_outer(signatures.sign_outer(found, ALICE.signature), key)
    if isinstance(found.body, EncryptedBody):
        assert inner is StillEncrypted
    else:
        assert inner in (None, BadSignature)
        value = value["body"]["unencrypted"]
        value["internal_metadata"]["signature"] = ""
        assert signatures.inner_text(found.body).encode() == _plain(value, sort_keys=True)
        signed = replace(found, body=signatures.sign_inner(found.body, ALICE.signature))
        signatures.verify_inner(signed, key)
    for name in ("sender_node", "recipient_node", "sender_name", "recipient_name"):
        assert result_of(getattr, found, name)[0] in (None, InvalidName, StillEncrypted)
    opened, body_open = result_of(encryption.decrypt_outer, found, BOB.encryption, ALICE.encryption.public)
    assert opened in (None, BadCiphertext, Undecryptable)
    if body_open is not None:
        opened, _ = result_of(encryption.decrypt_inner, body_open, MALLORY.encryption, ALICE.encryption.public)
        assert opened in (None, BadCiphertext, Undecryptable, UnknownSchema)
    if result_of(getattr, found, "content")[0] is None:
        _check_content(found.content)


def _check_any(source: Source) -> None:
    """A message of any texts: it has its JSON, unless there is none for half a surrogate pair."""
    texts = [any_text(source.piece()) for _ in range(14)]
    api_data = NodeApiData(parent_hash=texts[0], node_message_hash=texts[1], node_timestamp=texts[2])
    schemas = list(MessageSchemaType)
    data = ShinkaiData(texts[3], schemas[source.byte() % len(schemas)])
    internal = InternalMetadata(
        sender_subidentity=texts[4], recipient_subidentity=texts[5], inbox=texts[6], signature=texts[7]
    )
    body = ShinkaiBody(EncryptedData(texts[3]) if source.byte() % 2 else data, internal)
    whole = ShinkaiMessage(
        body=EncryptedBody(texts[3]) if source.byte() % 2 else body,
        external_metadata=ExternalMetadata(**dict(zip(_EXTERNAL, texts[8:], strict=True))),
    )
    if not isinstance(whole.body, EncryptedBody) and source.byte() % 2:
        whole = whole.with_node_api_data(api_data)
    if caught(LocalError, json_form.encode, whole) is None:
        _check_message(whole)
        return
    assert not all(map(is_unicode, texts))
    assert result_of(signatures.verify_outer, whole, ALICE.signature.public_key)[0] is BadSignature


def _check_content(text: str) -> None:
    """What the readers of contents take is written back to what they take for the same."""
    kinds: tuple[Any, ...] = (contents.JobMessage, contents.JobCreation)
    for kind in kinds:
        error, found = result_of(kind.from_json, text)
        if found is not None:
            assert is_unicode(found.to_json())
            assert kind.from_json(found.to_json()) == found
        assert error in (None, MalformedMessage, OversizedMessage, TooDeep)
    _, tools = result_of(contents.read_offerings, text)
    if tools is not None and all(isinstance(tool, dict) for tool in tools):
        assert contents.read_offerings(contents.offerings(tools)) == tools
    _, agent = result_of(contents.read_offering_request, text)
    assert agent is None or contents.read_offering_request(contents.offering_request(agent)) == agent
