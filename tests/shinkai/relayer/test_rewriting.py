"""Messages in the relay's name."""

from __future__ import annotations

import pytest

from p2pstack.shinkai import encryption, signatures
from p2pstack.shinkai.errors import InvalidKey, Undecryptable
from p2pstack.shinkai.keys import EncryptionPublicKey
from p2pstack.shinkai.message import EncryptedBody, EncryptedData, EncryptionMethod, ShinkaiMessage
from p2pstack.shinkai.node.stages import open_message, peer_keys
from p2pstack.shinkai.relayer.rewriting import for_local, on_behalf
from tests.shinkai.relayer.people import (
    BOB,
    CAROL,
    LOCAL,
    RELAY,
    entropy,
    keys,
    local_keys,
    local_letter,
    name_of,
    record,
    registration,
    written,
)

FIRST = registration(LOCAL, 100)
FIRST_KEY = local_keys().encryption.public
WE = name_of(RELAY)


def to_first(message: ShinkaiMessage) -> ShinkaiMessage:
    """What the node without a name is given of a message of bob's."""
    return for_local(message, record(BOB).encryption_key, FIRST.name, WE, keys(RELAY), entropy)


def read_by_first(message: ShinkaiMessage) -> str:
    """What it reads in that, as any node does."""
    known = record(RELAY)
    arrived = open_message(message, known, local_keys().encryption, peer_keys(message, known))
    return arrived.message.content


def answer(text: str = "hello you", other: str = FIRST_KEY.to_hex()) -> ShinkaiMessage:
    made = written(keys(BOB), BOB, RELAY, text, intra_sender=str(FIRST.peer), other=other)
    return made.encrypt_body_for(keys(RELAY).encryption.public).build()


@pytest.mark.req("SHK-105")
def test_on_behalf_of_a_node_without_a_name() -> None:
    changed = on_behalf(local_letter(BOB, "hello bob"), FIRST.peer, WE, keys(RELAY))
    external = changed.external_metadata
    assert (external.sender, external.recipient, external.intra_sender) == (RELAY, BOB, str(FIRST.peer))
    assert external.other == FIRST_KEY.to_hex()
    known = record(RELAY)
    arrived = open_message(changed, known, keys(BOB).encryption, peer_keys(changed, known))
    assert arrived.message.content == "hello bob"


@pytest.mark.req("SHK-106")
def test_for_a_node_without_a_name() -> None:
    changed = to_first(answer())
    external = changed.external_metadata
    assert (external.sender, external.recipient, external.intra_sender) == (RELAY, LOCAL, BOB)
    assert external.other == keys(RELAY).encryption.public.to_hex()
    assert changed.encryption is EncryptionMethod.DIFFIE_HELLMAN_CHACHA_POLY1305
    assert read_by_first(changed) == "hello you"


@pytest.mark.req("SHK-106")
def test_a_body_in_the_clear_is_encrypted_on_the_last_leg() -> None:
    plain = written(keys(BOB), BOB, RELAY, "open", intra_sender=str(FIRST.peer), other=FIRST_KEY.to_hex()).build()
    changed = to_first(plain)
    assert isinstance(changed.body, EncryptedBody)
    assert read_by_first(changed) == "open"


@pytest.mark.req("SHK-106")
def test_the_inner_signature_of_a_readable_content_still_fits() -> None:
    changed = to_first(answer())
    opened = encryption.decrypt_outer(changed, local_keys().encryption, keys(RELAY).encryption.public)
    signatures.verify_inner(opened, keys(BOB).signature.public_key)


@pytest.mark.req("SHK-106")
def test_a_content_that_is_encrypted_for_the_relay_is_encrypted_anew_as_well() -> None:
    relay_key = keys(RELAY).encryption.public
    made = written(keys(BOB), BOB, RELAY, "twice", intra_sender=str(FIRST.peer), other=FIRST_KEY.to_hex())
    changed = to_first(made.encrypt_content_for(relay_key).encrypt_body_for(relay_key).build())
    assert read_by_first(changed) == "twice"


@pytest.mark.req("SHK-106")
def test_a_content_for_somebody_else_stays_as_it_is() -> None:
    made = written(keys(BOB), BOB, RELAY, "secret", intra_sender=str(FIRST.peer), other=FIRST_KEY.to_hex())
    message = made.encrypt_content_for(FIRST_KEY).encrypt_body_for(keys(RELAY).encryption.public).build()
    changed = to_first(message)
    opened = encryption.decrypt_outer(changed, local_keys().encryption, keys(RELAY).encryption.public)
    assert isinstance(opened.readable_body.message_data, EncryptedData)
    read = encryption.decrypt_inner(opened, local_keys().encryption, keys(BOB).encryption.public)
    assert read.content == "secret"


@pytest.mark.req("SHK-106")
@pytest.mark.parametrize("other", ["", "x" * 64, "00" * 31, "00" * 32])
def test_an_other_that_is_no_key(other: str) -> None:
    with pytest.raises(InvalidKey):
        to_first(answer(other=other))


@pytest.mark.req("SHK-106")
def test_a_body_that_was_encrypted_with_other_keys() -> None:
    made = written(keys(BOB), BOB, RELAY, intra_sender=str(FIRST.peer), other=FIRST_KEY.to_hex())
    for_carol: EncryptionPublicKey = keys(CAROL).encryption.public
    with pytest.raises(Undecryptable):
        to_first(made.encrypt_body_for(for_carol).build())
