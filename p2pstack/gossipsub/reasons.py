"""Why a message or a part of an RPC was not taken: the names that counters and scores use (specs/gossipsub.md)."""

from __future__ import annotations

__all__ = [
    "BAD_ID",
    "BAD_KEY",
    "BAD_SEQNO",
    "BAD_SIGNATURE",
    "BAD_SOURCE",
    "BLAMELESS",
    "DUPLICATE",
    "IGNORED",
    "MISSING_SIGNATURE",
    "MISSING_SOURCE",
    "REJECTED",
    "SELF_ORIGIN",
    "THROTTLED",
    "UNEXPECTED_AUTH",
    "UNEXPECTED_SIGNATURE",
    "UNVERIFIED",
    "WRONG_TOPIC",
]

MISSING_SIGNATURE = "missing-signature"
"""The policy asks for a signature (GS10-10)."""

BAD_SIGNATURE = "bad-signature"
"""The signature is not the author's over this message (GS10-08)."""

UNEXPECTED_SIGNATURE = "unexpected-signature"
"""The policy forbids a signature (GS10-10)."""

UNEXPECTED_AUTH = "unexpected-auth"
"""The policy forbids an author, a sequence number or a key (GS10-10)."""

MISSING_SOURCE = "missing-source"
"""The policy asks for an author (GS10-10)."""

BAD_SOURCE = "bad-source"
"""The author's id is none."""

BAD_SEQNO = "bad-seqno"
"""The sequence number is missing, or has not 8 bytes (GS10-07)."""

BAD_KEY = "bad-key"
"""The key is not the author's, or is missing where the author's id doesn't hold it (GS10-09)."""

SELF_ORIGIN = "self-origin"
"""Another peer sent what claims to be from ourselves (GS10-11)."""

REJECTED = "rejected"
"""A validator rejected the message (GS10-26)."""

IGNORED = "ignored"
"""A validator ignored the message (GS10-26)."""

THROTTLED = "throttled"
"""Too many validations ran (GS10-26)."""

UNVERIFIED = "unverified"
"""Too many messages waited for verification (GS10-26)."""

DUPLICATE = "duplicate"
"""The message was seen before (GS10-12)."""

WRONG_TOPIC = "wrong-topic"
"""We are not subscribed to the topic (GS10-13)."""

BAD_ID = "bad-id"
"""The function that makes message ids failed on it, or made an empty or overlong one (GS10-06)."""

BLAMELESS = frozenset({IGNORED, THROTTLED, UNVERIFIED, DUPLICATE, WRONG_TOPIC, BAD_ID})
"""Reasons for which nobody is charged (GS11-34)."""
