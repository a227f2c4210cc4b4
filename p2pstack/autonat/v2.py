"""The messages of AutoNAT 2 (AUTONAT2-01): request, demand for data, data, answer; and those of the dial-back.

On the streams each stands behind its length. It is proto3: what is zero is absent on the wire, and means zero (GEN-13).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from p2pstack.autonat.protocols import MAX_PART, MAX_V2_ADDRESSES
from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.wire import Buffer, protobuf
from p2pstack.wire.pb.autonat_v2_pb2 import AutonatV2

__all__ = [
    "BACK_STATUS_OK",
    "DataRequest",
    "DataResponse",
    "DialRequest",
    "DialResponse",
    "DialStatus",
    "Message",
    "Status",
    "data_messages",
    "decode",
    "decode_back",
    "decode_back_response",
    "encode_back",
    "encode_back_response",
]

BACK_STATUS_OK = 0
"""The only status of a dial-back's answer."""


class Status(IntEnum):
    """How a request ended. What a peer sends may be another number."""

    E_INTERNAL_ERROR = 0
    E_REQUEST_REJECTED = 100
    E_DIAL_REFUSED = 101
    OK = 200


class DialStatus(IntEnum):
    """How the dial went, where the request was taken. What a peer sends may be another number."""

    UNUSED = 0
    E_DIAL_ERROR = 100
    E_DIAL_BACK_ERROR = 101
    OK = 200


@dataclass(frozen=True, slots=True)
class DialRequest:
    """Which addresses the client would like to have dialled, and what to say there.

    An address that does not parse is None: those behind it keep their index.
    """

    addresses: tuple[Multiaddr | None, ...]
    nonce: int

    def encode(self) -> bytes:
        """Return the message; it has no address that did not parse."""
        addresses = [address.to_bytes() for address in self.addresses if address is not None]
        request = AutonatV2.DialRequest(addrs=addresses, nonce=self.nonce)
        return protobuf.serialize(AutonatV2(dial_request=request))


@dataclass(frozen=True, slots=True)
class DialResponse:
    """The answer: ``index`` is that of the address that was dialled, ``dial`` how it went, where ``status`` is OK."""

    status: int
    index: int = 0
    dial: int = DialStatus.UNUSED

    def encode(self) -> bytes:
        """Return the message."""
        response = AutonatV2.DialResponse(status=self.status, addr_idx=self.index, dial_status=self.dial)
        return protobuf.serialize(AutonatV2(dial_response=response))


@dataclass(frozen=True, slots=True)
class DataRequest:
    """The server's demand to be sent ``size`` bytes before it dials address ``index`` (AUTONAT2-02)."""

    index: int
    size: int

    def encode(self) -> bytes:
        """Return the message."""
        request = AutonatV2.DialDataRequest(addr_idx=self.index, num_bytes=self.size)
        return protobuf.serialize(AutonatV2(dial_data_request=request))


@dataclass(frozen=True, slots=True)
class DataResponse:
    """A part of those bytes: what they are matters to nobody, only how many."""

    size: int

    def encode(self) -> bytes:
        """Return the message, with as many zeros."""
        response = AutonatV2.DialDataResponse(data=bytes(self.size))
        return protobuf.serialize(AutonatV2(dial_data_response=response))


Message: TypeAlias = DialRequest | DialResponse | DataRequest | DataResponse


def decode(data: Buffer) -> Message:
    """Read a message of the request's stream; of more addresses than 50 the rest is left out.

    Raises:
        DecodeError: it is no message, or says nothing.
    """
    message = protobuf.parse(AutonatV2, data)
    match message.WhichOneof("msg"):
        case "dial_request":
            request = message.dial_request
            return DialRequest(tuple(_parsed(each) for each in request.addrs[:MAX_V2_ADDRESSES]), request.nonce)
        case "dial_response":
            response = message.dial_response
            return DialResponse(response.status, response.addr_idx, response.dial_status)
        case "dial_data_request":
            return DataRequest(message.dial_data_request.addr_idx, message.dial_data_request.num_bytes)
        case "dial_data_response":
            return DataResponse(len(message.dial_data_response.data))
        case _:
            raise DecodeError("the message says nothing", requirement="AUTONAT2-01")


def _parsed(encoded: bytes) -> Multiaddr | None:
    try:
        return parse(encoded)
    except DecodeError:
        return None


def data_messages(size: int) -> list[bytes]:
    """Return messages with ``size`` bytes of data together, each with at most 4,096."""
    whole, rest = divmod(size, MAX_PART)
    return [DataResponse(MAX_PART).encode()] * whole + ([DataResponse(rest).encode()] if rest else [])


def encode_back(nonce: int) -> bytes:
    """Return the message of a dial-back."""
    return protobuf.serialize(AutonatV2.DialBack(nonce=nonce))


def decode_back(data: Buffer) -> int:
    """Return the nonce of a dial-back.

    Raises:
        DecodeError: it is no such message.
    """
    return protobuf.parse(AutonatV2.DialBack, data).nonce


def encode_back_response() -> bytes:
    """Return the answer to a dial-back: OK, which is the empty message."""
    return protobuf.serialize(AutonatV2.DialBackResponse(status=BACK_STATUS_OK))


def decode_back_response(data: Buffer) -> int:
    """Return the status of the answer to a dial-back.

    Raises:
        DecodeError: it is no such message.
    """
    return protobuf.parse(AutonatV2.DialBackResponse, data).status
