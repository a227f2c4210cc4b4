"""What a gateway answers when it is asked for a mapping."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address

from fuzz.expect import caught
from fuzz.source import Source
from p2pstack.errors import DecodeError, P2PError
from p2pstack.services.port_mapping.gateway import Lease, PortMappingError
from p2pstack.services.port_mapping.pcp import (
    MAX_ANSWER,
    decode_announcement,
    decode_external,
    decode_natpmp_lease,
    decode_pcp_lease,
)

NONCE = bytes(range(12))
PORT = 4001
OUTSIDE = IPv4Address("5.10.0.1")

_READERS = (
    decode_announcement,
    decode_external,
    partial(decode_pcp_lease, nonce=NONCE, port=PORT),
    partial(decode_natpmp_lease, port=PORT, host=OUTSIDE),
)


def answer(data: bytes) -> None:
    """It is what was asked for, or none, or a refusal with a reason; what it grants is possible."""
    source = Source(data)
    reader, body = _READERS[source.byte() % len(_READERS)], source.rest()
    error = caught(P2PError, reader, body)
    if isinstance(error, PortMappingError):
        assert str(error)
        assert error.code or error.requirement
    elif isinstance(error, DecodeError):
        assert error.requirement
    else:
        assert error is None
        _check(reader(body), body)


def _check(found: object, body: bytes) -> None:
    assert len(body) <= MAX_ANSWER
    if isinstance(found, Lease):
        assert found.internal == PORT
        assert found.external or not found.seconds
        assert found.key in {NONCE, b""}
