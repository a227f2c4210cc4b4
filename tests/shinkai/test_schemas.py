"""The names of the schemas, in JSON and in the cipher, against the real crate."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.shinkai.errors import UnknownSchema
from p2pstack.shinkai.schemas import MessageSchemaType
from tests.vectors import load

CASES: list[dict[str, Any]] = load("shinkai")["message_schema_types"]["vectors"]


@pytest.mark.req("SHK-16")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["json"])
def test_schemas_of_the_real_crate(case: dict[str, Any]) -> None:
    schema = MessageSchemaType(case["json"])
    assert schema.cipher_name == case["inner_cipher_string"]
    if case["from_str_roundtrip"] is None:
        with pytest.raises(UnknownSchema) as caught:
            MessageSchemaType.from_cipher_name(schema.cipher_name)
        assert caught.value.reason == "unknown-schema"
    else:
        assert MessageSchemaType.from_cipher_name(schema.cipher_name).value == case["from_str_roundtrip"]


@pytest.mark.req("SHK-16")
def test_there_are_63() -> None:
    assert len(MessageSchemaType) == 63
    assert {case["json"] for case in CASES} <= {schema.value for schema in MessageSchemaType}


@pytest.mark.req("SHK-16")
def test_what_readers_know() -> None:
    assert MessageSchemaType.from_cipher_name("EncryptedFileContent") is MessageSchemaType.ENCRYPTED_FILE_CONTENT
    assert MessageSchemaType.from_cipher_name("") is MessageSchemaType.EMPTY
    for name in ("Empty", "textcontent", "\udc80"):
        with pytest.raises(UnknownSchema):
            MessageSchemaType.from_cipher_name(name)
