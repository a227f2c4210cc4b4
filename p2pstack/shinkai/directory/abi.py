"""The one call to the registry's contract, and what it returns, in the encoding of Solidity's ABI (SHK-64).

::

    getIdentityData(string identity) returns (
        (uint256 boundNft, uint256 stakedTokens, string encryptionKey, string signatureKey, bool routing,
         string[] addressOrProxyNodes, uint256 delegatedTokens, uint256 lastUpdated))

Everything is in words of 32 bytes. What has no fixed size stands behind the words of its surroundings, at an offset
from their beginning that its own word tells. All offsets and lengths come from a stranger, and may point anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import DecodeError

__all__ = ["MAX_ITEMS", "SELECTOR", "ChainIdentity", "decode_identity", "encode_call"]

SELECTOR = bytes.fromhex("87cc8492")
"""The first 4 bytes of Keccak-256 of ``getIdentityData(string)``."""

MAX_ITEMS = 64
"""Items of a list: each may point to the same long text, so that a small answer would fill the memory."""

_WORD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainIdentity:
    """What the registry has of a name, unchecked. All of it is zero or empty for a name that it does not have."""

    bound_nft: int
    staked_tokens: int
    encryption_key: str
    signature_key: str
    routing: bool
    address_or_proxy_nodes: tuple[str, ...]
    delegated_tokens: int
    last_updated: int

    @property
    def is_empty(self) -> bool:
        """Whether the registry does not have the name."""
        return not (
            self.bound_nft
            or self.staked_tokens
            or self.encryption_key
            or self.signature_key
            or self.routing
            or self.address_or_proxy_nodes
            or self.delegated_tokens
            or self.last_updated
        )


def encode_call(identity: str) -> bytes:
    """Return the input of a call for a name, which has no ``@@``."""
    text = identity.encode()
    padding = bytes(-len(text) % _WORD)
    return SELECTOR + _WORD.to_bytes(_WORD, "big") + len(text).to_bytes(_WORD, "big") + text + padding


def decode_identity(data: bytes) -> ChainIdentity:
    """Read what a call returned.

    Raises:
        DecodeError: it is no such value.
    """
    record = _at(data, 0, _number(data, 0))
    return ChainIdentity(
        bound_nft=_number(data, record),
        staked_tokens=_number(data, record + _WORD),
        encryption_key=_string(data, record, 2),
        signature_key=_string(data, record, 3),
        routing=_flag(data, record + 4 * _WORD),
        address_or_proxy_nodes=_strings(data, record, 5),
        delegated_tokens=_number(data, record + 6 * _WORD),
        last_updated=_number(data, record + 7 * _WORD),
    )


def _number(data: bytes, position: int) -> int:
    if position + _WORD > len(data):
        raise DecodeError(f"the contract's answer of {len(data)} bytes ends too early", requirement="SHK-64")
    return int.from_bytes(data[position : position + _WORD], "big")


def _at(data: bytes, base: int, offset: int) -> int:
    """Return where something is whose offset is counted from ``base``."""
    if base + offset + _WORD > len(data):
        raise DecodeError("an offset points behind the contract's answer", requirement="SHK-64")
    return base + offset


def _flag(data: bytes, position: int) -> bool:
    number = _number(data, position)
    if number > 1:
        raise DecodeError("a truth value is neither 0 nor 1", requirement="SHK-64")
    return number == 1


def _string(data: bytes, base: int, index: int) -> str:
    """Read the text that the word ``index`` behind ``base`` points to."""
    position = _at(data, base, _number(data, base + index * _WORD))
    length = _number(data, position)
    begin = position + _WORD
    if begin + length > len(data):
        raise DecodeError("a text is longer than the contract's answer", requirement="SHK-64")
    try:
        return data[begin : begin + length].decode()
    except UnicodeDecodeError:
        raise DecodeError("a text in the contract's answer is not UTF-8", requirement="SHK-64") from None


def _strings(data: bytes, base: int, index: int) -> tuple[str, ...]:
    position = _at(data, base, _number(data, base + index * _WORD))
    count = _number(data, position)
    if count > MAX_ITEMS:
        raise DecodeError(f"a list of {count} texts, {MAX_ITEMS} are allowed", requirement="SHK-64")
    return tuple(_string(data, position + _WORD, item) for item in range(count))
