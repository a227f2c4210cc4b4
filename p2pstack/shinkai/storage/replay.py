"""By what a message is known again (SHK-46).

The outer signature alone will not do: whoever has seen it can put it under another message, which fails only when it
is verified, and until then would stand for the real one. Nor will the bytes: the same signed message can be written in
many ways, and what a node notes in it (``node_api_data``) is not signed at all. So the key is made of both, the
signature and the hash that it has to be over: only a copy of the very message has it.
"""

from __future__ import annotations

from p2pstack.crypto import blake3
from p2pstack.shinkai.json_text import utf8
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.signatures import outer_hash

__all__ = ["message_key"]


def message_key(message: ShinkaiMessage) -> str:
    """Return the key of a message for both queues, 64 hex digits; the same for every copy of it, verified or not.

    Raises:
        LocalError: a text in it is no valid Unicode, which no reader lets through.
    """
    # In lower case: hex digits of either case are the same signature.
    signature = utf8(message.external_metadata.signature.lower())
    return blake3.digest(outer_hash(message) + signature).hex()
