"""The hash by which nodes store messages and point to their parents (SHK-27)."""

from __future__ import annotations

from p2pstack.crypto import blake3
from p2pstack.shinkai import json_form
from p2pstack.shinkai.message import EncryptedBody, ShinkaiMessage

__all__ = ["pagination_hash"]


def pagination_hash(message: ShinkaiMessage) -> str:
    """Return BLAKE3 of the message as it is sent, without what a node noted in it, as 64 hex digits.

    Unlike what is signed, its fields are in the order of the wire, and the outer signature is a part of it.

    Raises:
        LocalError: a text in the message is no valid Unicode.
    """
    if not isinstance(message.body, EncryptedBody):
        message = message.with_node_api_data(None)
    return blake3.digest(json_form.encode(message)).hex()
