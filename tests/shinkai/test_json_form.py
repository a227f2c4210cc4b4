"""Messages as JSON: the real crate's bytes both ways, and its verdict about what is no message."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2pstack.errors import LocalError
from p2pstack.shinkai import json_form
from p2pstack.shinkai.errors import MalformedMessage, MessageError, OversizedMessage, TooDeep
from p2pstack.shinkai.message import NodeApiData, ShinkaiBody, ShinkaiMessage, ShinkaiVersion
from tests.shinkai.messages import MESSAGES, bodies, builder, json_values, label, messages
from tests.vectors import load

VECTORS: dict[str, Any] = load("shinkai")
PLAIN: str = VECTORS["decode_cases"]["vectors"][0]["json"]

Json = dict[str, Any]


def changed(change: Callable[[Json], object], text: str = PLAIN) -> bytes:
    """The plain message of the vectors after ``change`` did something to it."""
    value = json.loads(text)
    change(value)
    return json.dumps(value).encode()


def body(value: Json) -> Json:
    found: Json = value["body"]["unencrypted"]
    return found


@pytest.mark.req("SHK-10")
@pytest.mark.parametrize("vector", MESSAGES, ids=label)
def test_messages_of_the_real_crate(vector: Json) -> None:
    message = json_form.decode(vector["wire_json"].encode(), bare=True)
    assert json_form.encode(message).decode() == vector["wire_json"]
    assert len(json_form.encode(message)) == vector["wire_len"]


@pytest.mark.req("SHK-11", "SHK-12", "SHK-14")
@pytest.mark.parametrize("case", VECTORS["decode_cases"]["vectors"], ids=lambda case: case["case"])
@pytest.mark.parametrize("bare", [False, True])
def test_what_the_real_crate_takes(case: Json, bare: bool) -> None:
    key = "decode_message_result_ok" if bare else "serde_from_str_ok (gossip path, request-response codec)"
    data = case["json"].encode("utf-8", "surrogatepass")
    if case[key]:
        assert json_form.encode(json_form.decode(data, bare=bare)).decode() == case["re_encoded"]
        return
    with pytest.raises(MalformedMessage):
        json_form.decode(data, bare=bare)


@pytest.mark.req("SHK-11")
@pytest.mark.parametrize("name", ["body", "external_metadata", "encryption", "version"])
def test_every_field_of_a_message_is_needed(name: str) -> None:
    with pytest.raises(MalformedMessage, match=f"no field {name}"):
        json_form.decode(changed(lambda value: value.pop(name)))


@pytest.mark.req("SHK-11")
@pytest.mark.parametrize("name", ["sender", "recipient", "scheduled_time", "signature", "intra_sender", "other"])
def test_every_field_of_the_external_metadata_is_needed(name: str) -> None:
    with pytest.raises(MalformedMessage, match=f"no field {name}"):
        json_form.decode(changed(lambda value: value["external_metadata"].pop(name)))
    wrongs: list[object] = [None, 1, [], {}, True]
    for wrong in wrongs:
        value = json.loads(PLAIN)
        value["external_metadata"][name] = wrong
        with pytest.raises(MalformedMessage, match=f"field {name} is not a text"):
            json_form.decode(json.dumps(value).encode())


@pytest.mark.req("SHK-11")
@pytest.mark.parametrize("name", ["sender_subidentity", "recipient_subidentity", "inbox", "signature", "encryption"])
def test_every_field_of_the_internal_metadata_is_needed(name: str) -> None:
    with pytest.raises(MalformedMessage, match=f"no field {name}"):
        json_form.decode(changed(lambda value: body(value)["internal_metadata"].pop(name)))
    with pytest.raises(MalformedMessage, match=f"the field {name} is"):
        json_form.decode(changed(lambda value: body(value)["internal_metadata"].update({name: 1})))


@pytest.mark.req("SHK-11")
def test_node_api_data_may_be_there_or_null_or_missing() -> None:
    data = {"parent_hash": "p", "node_message_hash": "n", "node_timestamp": "t", "more": 1}

    def with_data(value: object) -> bytes:
        return changed(lambda message: body(message)["internal_metadata"].update(node_api_data=value))

    message = json_form.decode(with_data(data))
    noted = NodeApiData(parent_hash="p", node_message_hash="n", node_timestamp="t")
    assert message.readable_body.internal_metadata.node_api_data == noted
    written = json_form.encode(message).decode()
    assert written.count('"node_api_data":{"parent_hash":"p","node_message_hash":"n","node_timestamp":"t"}}') == 1
    assert json_form.decode(with_data(None)) == json_form.decode(PLAIN.encode())
    for wrong in (1, "", {"parent_hash": "p"}, False):
        with pytest.raises(MalformedMessage):
            json_form.decode(with_data(wrong))


@pytest.mark.req("SHK-11")
def test_unknown_fields_are_skipped_at_every_level() -> None:
    def add(value: Json) -> None:
        places = [value, value["external_metadata"], body(value), body(value)["internal_metadata"]]
        for place in [*places, body(value)["message_data"]["unencrypted"]]:
            place.update({"": None, "zzz": {"sender": [1.5, "\ud800", {}]}, "node_api": 1})

    assert json_form.decode(changed(add)) == json_form.decode(PLAIN.encode())


@pytest.mark.req("SHK-11")
def test_a_field_that_comes_twice_is_refused_and_an_unknown_one_is_not() -> None:
    twice = PLAIN.replace('"version"', '"version":"V1_0","version"')
    with pytest.raises(MalformedMessage, match="two fields version"):
        json_form.decode(twice.encode())
    unknown = PLAIN.replace('"version"', '"x":1,"x":2,"version"')
    assert json_form.decode(unknown.encode()) == json_form.decode(PLAIN.encode())


@pytest.mark.req("SHK-12")
@pytest.mark.parametrize("value", [[], {}, {"encrypted": {}, "unencrypted": {}}, "encrypted", 1, None, {"x": {}}, "x"])
@pytest.mark.parametrize("place", ["body", "message_data"])
def test_bodies_and_contents_are_one_of_two(value: object, place: str) -> None:
    def change(message: Json) -> None:
        (message if place == "body" else body(message))[place] = value

    with pytest.raises(MalformedMessage):
        json_form.decode(changed(change))


@pytest.mark.req("SHK-12")
@pytest.mark.parametrize("name", ["default", "none", "", "DiffieHellmanChaChaPoly1305 "])
def test_names_of_an_encryption_are_exact(name: str) -> None:
    with pytest.raises(MalformedMessage, match="unknown name"):
        json_form.decode(changed(lambda value: value.update(encryption=name)))


@pytest.mark.req("SHK-12")
@pytest.mark.parametrize("version", ["V1_1", "", "v1_0", "Unsupported"])
def test_another_version_is_unsupported(version: str) -> None:
    message = json_form.decode(changed(lambda value: value.update(version=version)))
    assert message.version is ShinkaiVersion.UNSUPPORTED
    assert json_form.encode(message).endswith(b'"version":"Unsupported"}')
    with pytest.raises(MalformedMessage, match="version is not a text"):
        json_form.decode(changed(lambda value: value.update(version={"V1_0": None})))


@pytest.mark.req("SHK-13")
def test_structures_may_be_arrays_and_names_objects() -> None:
    expected = json_form.decode(PLAIN.encode())

    def arrays(value: Json) -> None:
        internal = body(value)["internal_metadata"]
        order = ["sender_subidentity", "recipient_subidentity", "inbox", "signature", "encryption"]
        body(value)["internal_metadata"] = [*(internal[name] for name in order), None]
        external = value["external_metadata"]
        order = ["sender", "recipient", "scheduled_time", "signature", "intra_sender", "other"]
        value["external_metadata"] = [external[name] for name in order]
        value["encryption"] = {"None": None}

    assert json_form.decode(changed(arrays)) == expected
    value = json.loads(changed(arrays))
    whole = [value["body"], value["external_metadata"], value["encryption"], value["version"]]
    assert json_form.decode(json.dumps(whole).encode()) == expected
    for wrong in (whole[:3], [*whole, 1], []):
        with pytest.raises(MalformedMessage, match="4 fields"):
            json_form.decode(json.dumps(wrong).encode())
    with pytest.raises(MalformedMessage, match="a value behind its name"):
        json_form.decode(changed(lambda value: value.update(encryption={"None": 0})))


@pytest.mark.req("SHK-14")
def test_half_a_surrogate_pair_is_refused_in_texts_and_keys() -> None:
    for text in (PLAIN.replace("hello bob", "\\ud800"), PLAIN.replace('"version"', '"\\udc00":1,"version"')):
        with pytest.raises(MalformedMessage, match="surrogate"):
            json_form.decode(text.encode())
    data = json_form.encode(json_form.decode(PLAIN.replace("hello bob", "\\ud83e\\udd80").encode()))
    assert "🦀".encode() in data


@pytest.mark.req("SHK-14")
@pytest.mark.parametrize("around", [" {}", "{}\n", "\t\r\n{} "])
def test_white_space_around_a_message(around: str) -> None:
    data = around.replace("{}", PLAIN).encode()
    assert json_form.decode(data) == json_form.decode(PLAIN.encode())
    with pytest.raises(MalformedMessage, match="nothing around it"):
        json_form.decode(data, bare=True)


@pytest.mark.req("SHK-15")
def test_a_message_is_bounded() -> None:
    data = PLAIN.encode()
    assert json_form.decode(data, max_size=len(data)) == json_form.decode(data)
    with pytest.raises(OversizedMessage):
        json_form.decode(data, max_size=len(data) - 1)
    with pytest.raises(OversizedMessage):
        json_form.decode(PLAIN.replace("hello", "x" * json_form.MAX_SIZE).encode())
    bomb = PLAIN.replace('"version"', f'"x":{"[" * 100_000}{"]" * 100_000},"version"')
    with pytest.raises(OversizedMessage):
        json_form.decode(bomb.encode())
    deep = PLAIN.replace('"version"', f'"x":{"[" * 127}{"]" * 127},"version"')
    with pytest.raises(TooDeep):
        json_form.decode(deep.encode())


def test_a_message_that_is_no_unicode_is_not_sent() -> None:
    with pytest.raises(LocalError, match="Unicode"):
        builder().text("\udc00").build()


@pytest.mark.req("SHK-10")
@given(messages)
def test_any_message_survives(message: ShinkaiMessage) -> None:
    data = json_form.encode(message)
    assert json_form.decode(data, bare=True) == message
    assert json_form.encode(json_form.decode(data)) == data


@given(bodies)
def test_any_body_survives(body: ShinkaiBody) -> None:
    assert json_form.decode_body(json_form.encode_body(body)) == body


@given(st.binary(max_size=80) | st.builds(lambda value: json.dumps(value).encode(), json_values))
@example(b"null")
@example(b"[[[[")
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for decode in (json_form.decode, json_form.decode_body):
        with pytest.raises(MessageError):
            decode(data)


@given(st.sampled_from(MESSAGES), st.data())
def test_a_message_with_changed_bytes_is_a_message_or_refused(vector: Json, data: st.DataObject) -> None:
    wire = bytearray(vector["wire_json"].encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(wire) - 1))
        wire[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=4))
    try:
        message = json_form.decode(wire)
    except MessageError:
        return
    assert json_form.decode(json_form.encode(message)) == message


@given(st.data())
def test_a_message_with_values_in_wrong_places_is_a_message_or_refused(data: st.DataObject) -> None:
    value = json.loads(PLAIN)
    place, keys = value, list(value)
    while True:
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            break
        place, keys = place[key], list(place[key])
    place[key] = data.draw(json_values)
    try:
        message = json_form.decode(json.dumps(value).encode())
    except MessageError:
        return
    assert json_form.decode(json_form.encode(message)) == message
