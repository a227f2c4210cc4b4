"""Messages as JSON, byte for byte as the original writes them, and read with the same leniency (SHK-10 to SHK-15).

The reader follows what serde makes of the original's types: unknown fields are skipped, missing and doubled ones
refused; a structure may come as an array of its fields, and a name of an enumeration as ``{"name":null}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from p2pstack.shinkai import json_text
from p2pstack.shinkai.errors import MalformedMessage, shown
from p2pstack.shinkai.json_text import Members, checked
from p2pstack.shinkai.message import (
    EncryptedBody,
    EncryptedData,
    EncryptionMethod,
    ExternalMetadata,
    InternalMetadata,
    NodeApiData,
    ShinkaiBody,
    ShinkaiData,
    ShinkaiMessage,
    ShinkaiVersion,
)
from p2pstack.shinkai.schemas import MessageSchemaType
from p2pstack.wire import Buffer

__all__ = [
    "MAX_SIZE",
    "body_value",
    "decode",
    "decode_body",
    "encode",
    "encode_body",
    "fields",
    "message_value",
    "string",
    "strings",
    "unit_name",
]

MAX_SIZE = 1_048_576
"""Bytes of the longest message that is looked at, unless the caller says otherwise: as long as a request may be."""

_MESSAGE = ("body", "external_metadata", "encryption", "version")
_BODY = ("message_data", "internal_metadata")
_DATA = ("message_raw_content", "message_content_schema")
_INTERNAL = ("sender_subidentity", "recipient_subidentity", "inbox", "signature", "encryption", "node_api_data")
_EXTERNAL = ("sender", "recipient", "scheduled_time", "signature", "intra_sender", "other")
_API_DATA = ("parent_hash", "node_message_hash", "node_timestamp")
_ENCRYPTED = ("content",)

_UNIT = object()
"""What stands behind a name of an enumeration that came as a bare text."""

_Name = TypeVar("_Name", bound=StrEnum)


def encode(message: ShinkaiMessage) -> bytes:
    """Return a message as it goes on the wire: compact JSON in UTF-8, fields in the original's order (SHK-10).

    Raises:
        LocalError: a text in it is no valid Unicode.
    """
    return json_text.utf8(json_text.compact(message_value(message)))


def encode_body(body: ShinkaiBody) -> bytes:
    """Return a body as it is encrypted.

    Raises:
        LocalError: a text in it is no valid Unicode.
    """
    return json_text.utf8(json_text.compact(body_value(body)))


def message_value(message: ShinkaiMessage) -> dict[str, Any]:
    """Return a message as dicts and texts, fresh ones, in the order of the fields."""
    external = message.external_metadata
    return {
        "body": (
            {"encrypted": {"content": message.body.content}}
            if isinstance(message.body, EncryptedBody)
            else {"unencrypted": body_value(message.body)}
        ),
        "external_metadata": {
            "sender": external.sender,
            "recipient": external.recipient,
            "scheduled_time": external.scheduled_time,
            "signature": external.signature,
            "intra_sender": external.intra_sender,
            "other": external.other,
        },
        "encryption": message.encryption,
        "version": message.version,
    }


def body_value(body: ShinkaiBody) -> dict[str, Any]:
    """Return a body as dicts and texts, fresh ones, in the order of the fields."""
    data, internal = body.message_data, body.internal_metadata
    metadata: dict[str, Any] = {
        "sender_subidentity": internal.sender_subidentity,
        "recipient_subidentity": internal.recipient_subidentity,
        "inbox": internal.inbox,
        "signature": internal.signature,
        "encryption": internal.encryption,
    }
    if internal.node_api_data is not None:
        metadata["node_api_data"] = {
            "parent_hash": internal.node_api_data.parent_hash,
            "node_message_hash": internal.node_api_data.node_message_hash,
            "node_timestamp": internal.node_api_data.node_timestamp,
        }
    return {
        "message_data": (
            {"encrypted": {"content": data.content}}
            if isinstance(data, EncryptedData)
            else {
                "unencrypted": {
                    "message_raw_content": data.message_raw_content,
                    "message_content_schema": data.message_content_schema,
                }
            }
        ),
        "internal_metadata": metadata,
    }


def decode(data: Buffer, *, max_size: int = MAX_SIZE, bare: bool = False) -> ShinkaiMessage:
    """Read a message (SHK-11).

    ``max_size`` is in bytes. ``bare`` refuses white space around the JSON, as nodes do for what comes over TCP and out
    of the job queue (SHK-14).

    Raises:
        OversizedMessage: it is longer than ``max_size``, or has more JSON around its texts than a message needs.
        TooDeep: it is nested deeper than 127.
        MalformedMessage: it is no message.
    """
    text = json_text.text_of(data, max_size=max_size)
    if bare and not (text.startswith("{") and text.endswith("}")):
        raise MalformedMessage("a message starts with { and ends with }, and nothing around it", requirement="SHK-14")
    body, external, encryption, version = fields(json_text.read(text), _MESSAGE, "a message")
    return ShinkaiMessage(
        body=_body_variant(body),
        external_metadata=_external(external),
        encryption=unit_name(EncryptionMethod, encryption, "encryption"),
        version=ShinkaiVersion.V1_0 if string(version, "version") == "V1_0" else ShinkaiVersion.UNSUPPORTED,
    )


def decode_body(data: Buffer) -> ShinkaiBody:
    """Read a body that was decrypted.

    Raises:
        TooDeep: it is nested deeper than 127.
        OversizedMessage: it has more JSON around its texts than a body needs.
        MalformedMessage: it is no body.
    """
    return _body(json_text.read(json_text.text_of(data, max_size=len(data))))


def _body_variant(value: object) -> ShinkaiBody | EncryptedBody:
    name, inner = _variant(value, "body")
    if name == "encrypted":
        (content,) = fields(inner, _ENCRYPTED, "an encrypted body")
        return EncryptedBody(string(content, "content"))
    if name == "unencrypted":
        return _body(inner)
    raise _unknown("body", name)


def _body(value: object) -> ShinkaiBody:
    data, internal = fields(value, _BODY, "a body")
    return ShinkaiBody(_data_variant(data), _internal(internal))


def _data_variant(value: object) -> ShinkaiData | EncryptedData:
    name, inner = _variant(value, "message_data")
    if name == "encrypted":
        (content,) = fields(inner, _ENCRYPTED, "an encrypted content")
        return EncryptedData(string(content, "content"))
    if name == "unencrypted":
        content, schema = fields(inner, _DATA, "a content")
        return ShinkaiData(
            string(content, "message_raw_content"), unit_name(MessageSchemaType, schema, "message_content_schema")
        )
    raise _unknown("message_data", name)


def _internal(value: object) -> InternalMetadata:
    *texts, encryption, api_data = fields(value, _INTERNAL, "internal_metadata", defaults={"node_api_data": None})
    sender, recipient, inbox, signature = (string(text, name) for text, name in zip(texts, _INTERNAL, strict=False))
    return InternalMetadata(
        sender_subidentity=sender,
        recipient_subidentity=recipient,
        inbox=inbox,
        signature=signature,
        encryption=unit_name(EncryptionMethod, encryption, "encryption"),
        node_api_data=None if api_data is None else _api_data(api_data),
    )


def _api_data(value: object) -> NodeApiData:
    parent, own, timestamp = strings(value, _API_DATA, "node_api_data")
    return NodeApiData(parent_hash=parent, node_message_hash=own, node_timestamp=timestamp)


def _external(value: object) -> ExternalMetadata:
    sender, recipient, scheduled_time, signature, intra_sender, other = strings(value, _EXTERNAL, "external_metadata")
    return ExternalMetadata(
        sender=sender,
        recipient=recipient,
        scheduled_time=scheduled_time,
        signature=signature,
        intra_sender=intra_sender,
        other=other,
    )


def fields(
    value: object, names: Sequence[str], what: str, *, defaults: Mapping[str, object] | None = None
) -> list[object]:
    """Return the values of the fields ``names`` of a structure, in that order (SHK-11, SHK-13).

    Other fields of an object are skipped. ``defaults`` says which may be missing, and what they are then. An array has
    to have even those whose default is None; others may be missing at its end.

    Raises:
        MalformedMessage: it is neither an object with each of the others once, nor such an array.
    """
    defaults = defaults or {}
    if isinstance(value, list):
        rest = [defaults.get(name) for name in names[len(value) :]]
        if len(value) > len(names) or None in rest:
            raise MalformedMessage(f"{what} has {len(names)} fields, not {len(value)}", requirement="SHK-13")
        return value + rest
    if not isinstance(value, Members):
        raise MalformedMessage(f"{what} is not an object", requirement="SHK-11")
    found: dict[str, object] = {}
    for key, item in value.pairs:
        if checked(key) not in names:
            continue
        if key in found:
            raise MalformedMessage(f"{what} has two fields {key}", requirement="SHK-11")
        found[key] = item
    found = {**defaults, **found}
    try:
        return [found[name] for name in names]
    except KeyError as error:
        raise MalformedMessage(f"{what} has no field {error.args[0]}", requirement="SHK-11") from None


def strings(value: object, names: Sequence[str], what: str) -> list[str]:
    """Return the values of the fields ``names`` of a structure that are all texts.

    Raises:
        MalformedMessage: it is no such structure.
    """
    return [string(item, name) for item, name in zip(fields(value, names, what), names, strict=True)]


def string(value: object, name: str) -> str:
    """Return the text ``value`` of the field ``name``.

    Raises:
        MalformedMessage: it is no text, or holds half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise MalformedMessage(f"the field {name} is not a text", requirement="SHK-11")
    return checked(value)


def _variant(value: object, field: str) -> tuple[str, object]:
    """Take apart a value of an enumeration: ``"name"`` or ``{"name": inner}``."""
    if isinstance(value, str):
        return checked(value), _UNIT
    if isinstance(value, Members) and len(value.pairs) == 1:
        key, inner = value.pairs[0]
        return checked(key), inner
    raise MalformedMessage(f"the field {field} is neither a name nor an object with one member", requirement="SHK-12")


def unit_name(names: type[_Name], value: object, field: str) -> _Name:
    """Return the member of ``names`` that the value of ``field`` names: ``"name"``, or ``{"name":null}`` (SHK-13).

    Raises:
        MalformedMessage: it names none.
    """
    name, inner = _variant(value, field)
    if inner is not _UNIT and inner is not None:
        raise MalformedMessage(f"the field {field} has a value behind its name", requirement="SHK-12")
    try:
        return names(name)
    except ValueError:
        raise _unknown(field, name) from None


def _unknown(field: str, name: str) -> MalformedMessage:
    return MalformedMessage(f"the field {field} has the unknown name {shown(name)}", requirement="SHK-12")
