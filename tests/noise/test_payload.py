from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError, HandshakeError
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.noise import NoiseConfig, VerifyCache
from p2pstack.noise.payload import SIGNATURE_PREFIX, Payload, build_payload, parse_payload, verify_payload
from tests.noise.pairs import protobuf_field

CONFIG = NoiseConfig()
KEY = PrivateKey.from_seed(b"\x01" * 32)
STATIC = b"\x07" * 32
SIGNED = protobuf_field(1, KEY.public_key.to_protobuf()) + protobuf_field(2, KEY.sign(SIGNATURE_PREFIX + STATIC))


def muxers_field(*names: bytes) -> bytes:
    return protobuf_field(4, b"".join(protobuf_field(2, name) for name in names))


@pytest.mark.req("NOISE-05")
def test_a_payload_is_read_back_as_it_was_built() -> None:
    assert build_payload(KEY, STATIC, []) == SIGNED
    assert build_payload(KEY, STATIC, ["/a", "/b"]) == SIGNED + muxers_field(b"/a", b"/b")
    payload = parse_payload(SIGNED + muxers_field(b"/a", b"/b"), CONFIG)
    assert payload == Payload(KEY.public_key.to_protobuf(), KEY.sign(SIGNATURE_PREFIX + STATIC), ("/a", "/b"))
    assert verify_payload(payload, STATIC, None) == KEY.public_key


@pytest.mark.req("NOISE-05", "NOISE-16")
@pytest.mark.parametrize(
    "extra",
    [
        protobuf_field(3, b"old data"),
        protobuf_field(5, b"unknown"),
        protobuf_field(2048, b"experimental"),
        b"\x30\x07",  # field 6, a varint
        protobuf_field(4, b""),
        protobuf_field(4, protobuf_field(1, b"certificate hash")),
        protobuf_field(4, protobuf_field(1025, b"experimental") + b"\x18\x01"),
    ],
)
def test_other_fields_and_extensions_are_ignored(extra: bytes) -> None:
    for data in (extra + SIGNED, SIGNED + extra):
        payload = parse_payload(data, CONFIG)
        assert payload == parse_payload(SIGNED, CONFIG)
        assert payload.muxers is None


@pytest.mark.req("GEN-07")
def test_extensions_that_occur_twice_are_merged_and_the_last_key_counts() -> None:
    payload = parse_payload(protobuf_field(1, b"old") + muxers_field(b"/a") + SIGNED + muxers_field(b"/b"), CONFIG)
    assert payload.muxers == ("/a", "/b")
    assert payload.identity_key == KEY.public_key.to_protobuf()


@pytest.mark.req("NOISE-17")
def test_a_list_of_more_than_100_muxers_is_ignored_as_a_whole() -> None:
    names = [b"/m/%d" % n for n in range(100)]
    assert parse_payload(SIGNED + muxers_field(*names), CONFIG).muxers == tuple(name.decode() for name in names)
    assert parse_payload(SIGNED + muxers_field(*names, b"/yamux/1.0.0"), CONFIG).muxers is None
    assert parse_payload(SIGNED + muxers_field(b"/a"), NoiseConfig(max_muxers=0)).muxers is None


@pytest.mark.req("NOISE-20")
def test_a_muxer_name_that_is_no_utf8_stays_a_name() -> None:
    muxers = parse_payload(SIGNED + muxers_field(b"\xff\xfe", b"/yamux/1.0.0"), CONFIG).muxers
    assert muxers is not None
    assert len(muxers) == 2
    assert muxers[1] == "/yamux/1.0.0"


@pytest.mark.req("NOISE-06")
@pytest.mark.parametrize("data", [b"", SIGNED[:38], SIGNED[38:], muxers_field(b"/yamux/1.0.0")])
def test_key_and_signature_are_needed(data: bytes) -> None:
    with pytest.raises(HandshakeError) as caught:
        parse_payload(data, CONFIG)
    assert caught.value.requirement == "NOISE-06"


@pytest.mark.req("NOISE-05")
@pytest.mark.parametrize("data", [SIGNED[:-1], b"\x0a\x05abc", b"\xff", SIGNED + b"\x22\x03\x12\x09/", b"\x00\x00"])
def test_what_is_no_protobuf_does_not_decode(data: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_payload(data, CONFIG)


@pytest.mark.req("NOISE-06")
@pytest.mark.parametrize("key_type", KeyType)
def test_keys_of_every_type_prove_themselves(key_type: KeyType) -> None:
    key = PrivateKey.generate(key_type)
    payload = parse_payload(build_payload(key, STATIC, []), CONFIG)
    assert verify_payload(payload, STATIC, None) == key.public_key
    with pytest.raises(HandshakeError):
        verify_payload(payload, b"\x08" * 32, None)


@pytest.mark.req("NOISE-06")
@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        KEY.sign(STATIC),
        KEY.sign(SIGNATURE_PREFIX),
        KEY.sign(SIGNATURE_PREFIX + b"\x08" * 32),
        KEY.sign(SIGNATURE_PREFIX + STATIC)[:-1],
        KEY.sign(SIGNATURE_PREFIX + STATIC) + b"\0",
        PrivateKey.from_seed(b"\x02" * 32).sign(SIGNATURE_PREFIX + STATIC),
    ],
)
@pytest.mark.parametrize("cached", [False, True])
def test_a_wrong_signature_is_refused_and_never_remembered(signature: bytes, cached: bool) -> None:
    cache = VerifyCache() if cached else None
    if cache is not None:
        verify_payload(parse_payload(SIGNED, CONFIG), STATIC, cache)
    for _ in range(2):
        with pytest.raises(HandshakeError) as caught:
            verify_payload(Payload(KEY.public_key.to_protobuf(), signature, None), STATIC, cache)
        assert caught.value.requirement == "NOISE-06"
    assert cache is None or len(cache) == 1


@pytest.mark.req("NOISE-06")
@pytest.mark.parametrize("key", [b"", b"\x08\x01\x12\x00", b"\x08\x09\x12\x01a", b"\x08\x01\x12\x20" + b"a" * 31])
def test_a_key_that_does_not_parse_is_refused(key: bytes) -> None:
    with pytest.raises(DecodeError):
        verify_payload(Payload(key, b"s" * 64, None), STATIC, VerifyCache())


@pytest.mark.req("NOISE-06")
def test_a_remembered_signature_does_not_serve_another_key() -> None:
    cache, payload = VerifyCache(), parse_payload(SIGNED, CONFIG)
    verify_payload(payload, STATIC, cache)
    other = PrivateKey.from_seed(b"\x02" * 32).public_key.to_protobuf()
    with pytest.raises(HandshakeError):
        verify_payload(payload._replace(identity_key=other), STATIC, cache)


def test_a_remembered_signature_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, payload = VerifyCache(), parse_payload(SIGNED, CONFIG)
    key = verify_payload(payload, STATIC, cache)
    monkeypatch.setattr("p2pstack.noise.payload.PublicKey", None)
    assert verify_payload(payload, STATIC, cache) is key
    with pytest.raises(AttributeError):
        verify_payload(payload, b"\x08" * 32, cache)


@pytest.mark.req("GEN-01", "NOISE-05")
@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(st.binary(max_size=40), st.binary(max_size=80)).map(
            lambda pair: protobuf_field(1, pair[0]) + protobuf_field(2, pair[1])
        ),
    )
)
def test_garbage_gives_a_decode_or_handshake_error(data: bytes) -> None:
    with pytest.raises((DecodeError, HandshakeError)):
        verify_payload(parse_payload(data, CONFIG), STATIC, None)
