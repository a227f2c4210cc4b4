"""CIDv1 texts of peer ids in every base that go writes."""

from __future__ import annotations

import base64

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.identity import cids
from tests.vectors import load

MULTIHASH = bytes.fromhex("12209dff3b17d74cf4d38a50d8b6383e92d181a10395a5e73a726dcccbd21bf6f0b9")
CID = b"\x01\x72" + MULTIHASH


@pytest.mark.req("PEERID-09")
@pytest.mark.parametrize(
    "case", load("keys")["seeds"] + load("keys")["spec_pairs"], ids=lambda case: case["peer_id_text"]
)
def test_go_writes_the_same(case: dict[str, str]) -> None:
    multihash = bytes.fromhex(case["peer_id_bytes"])
    assert cids.encode(multihash) == case["peer_id_cid"]
    assert cids.decode(case["peer_id_cid"]) == multihash


def base36(data: bytes) -> str:
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return "0" * (len(data) - len(data.lstrip(b"\0"))) + digits


def in_all_bases(cid: bytes) -> list[str]:
    base32 = base64.b32encode(cid).decode().rstrip("=")
    return [
        "b" + base32.lower(),
        "B" + base32,
        "f" + cid.hex(),
        "F" + cid.hex().upper(),
        "k" + base36(cid),
        "K" + base36(cid).upper(),
        "z" + base58.b58encode(cid).decode(),
    ]


@pytest.mark.req("PEERID-09")
@given(st.binary(max_size=45))
def test_every_base_is_read(multihash: bytes) -> None:
    for text in in_all_bases(cids.LIBP2P_KEY + multihash):
        assert cids.decode(text) == multihash


def test_an_ipns_name_of_go_is_read() -> None:
    # The base36 form, in which kubo prints the name of an Ed25519 key.
    text = "k" + base36(b"\x01\x72" + bytes.fromhex(load("keys")["seeds"][0]["peer_id_bytes"]))
    assert text.startswith("k51qzi5uqu5")
    assert cids.decode(text).hex() == load("keys")["seeds"][0]["peer_id_bytes"]


@pytest.mark.req("PEERID-09")
@pytest.mark.parametrize(
    "cid",
    [
        b"",
        b"\x01",
        b"\x00\x72" + MULTIHASH,
        b"\x02\x72" + MULTIHASH,
        b"\x01\x70" + MULTIHASH,
        b"\x81\x00\x72" + MULTIHASH,
        b"\x01\xf2\x00" + MULTIHASH,
        MULTIHASH,
    ],
    ids=["empty", "cut", "version 0", "version 2", "dag-pb", "long version", "long codec", "bare multihash"],
)
def test_other_cids_are_refused(cid: bytes) -> None:
    for text in in_all_bases(cid):
        with pytest.raises(DecodeError) as caught:
            cids.decode(text)
        assert caught.value.requirement == "PEERID-09"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "z",
        "x123",
        "mAXISIA",  # base64: nobody writes ids in it
        "f01 72",
        "f017",  # half a byte
        "k1_0",
        "k-1",
        "bAFZB",  # upper case in the base of lower case
        "Bafzb",
        "b========",
        "ba",  # five bits are no byte
        "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe=",
        "z0",
        "z1 ",
        "\u0661",
    ],
)
def test_texts_that_are_no_cid_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        cids.decode(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        multihash = cids.decode(text)
    except DecodeError:
        return
    assert cids.decode(cids.encode(multihash)) == multihash
