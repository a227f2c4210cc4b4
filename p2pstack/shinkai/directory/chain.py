"""The registry of Shinkai's identities on chain, asked by JSON-RPC (SHK-64, SHK-65).

It needs no package beyond the standard library. Put a :class:`~p2pstack.shinkai.directory.cache.CachedDirectory` around
it: a lookup here is a request to a server each time.
"""

from __future__ import annotations

import asyncio
import itertools
from urllib.parse import urlsplit

from p2pstack.errors import DecodeError
from p2pstack.shinkai import json_text
from p2pstack.shinkai.directory.abi import ChainIdentity, decode_identity, encode_call
from p2pstack.shinkai.directory.config import ChainConfig
from p2pstack.shinkai.directory.errors import DirectoryError, DirectoryUnavailable, IdentityNotFound, InvalidIdentity
from p2pstack.shinkai.directory.http import post
from p2pstack.shinkai.directory.records import IdentityRecord, read_record
from p2pstack.shinkai.errors import shown
from p2pstack.shinkai.keys import unhex
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["MAX_NAME", "ChainDirectory", "RpcError"]

MAX_NAME = 255
"""Characters of a name that is asked for; no longer one is registered."""


class RpcError(DecodeError):
    """A server's answer is no result: an error of its own, another id, or no JSON-RPC."""


class ChainDirectory:
    """The registry, through the servers of ``config.endpoints``."""

    def __init__(self, config: ChainConfig | None = None) -> None:
        self.config = config or ChainConfig()
        self._ids = itertools.count(1)

    async def lookup(self, name: ShinkaiName) -> IdentityRecord:
        """Ask one server after the other for the node of ``name``, until one knows it.

        Raises:
            IdentityNotFound: those that answered don't.
            InvalidIdentity: what is registered can't be used.
            DirectoryUnavailable: no server gave an answer in time; the error says of each why.
        """
        if len(name.node_name) > MAX_NAME:
            raise IdentityNotFound(f"{shown(name.node_name)} is too long to be registered")
        failures: list[str] = []
        found: DirectoryError | None = None
        try:
            async with asyncio.timeout(self.config.timeout):
                for url in self.config.endpoints:
                    try:
                        return await self._ask(url, name)
                    except (IdentityNotFound, InvalidIdentity) as error:
                        found = error
                    except (DecodeError, OSError, TimeoutError) as error:
                        failures.append(f"{urlsplit(url).hostname}: {str(error) or type(error).__name__}")
        except TimeoutError:
            failures.append(f"no time was left after {self.config.timeout} s")
        if found is not None:
            raise found
        raise DirectoryUnavailable(f"nobody could say who {name.node_name} is: " + "; ".join(failures))

    async def close(self) -> None:
        """Do nothing: there is nothing to end."""

    async def _ask(self, url: str, name: ShinkaiName) -> IdentityRecord:
        number = next(self._ids)
        try:
            async with asyncio.timeout(self.config.endpoint_timeout):
                answer = await post(url, self._request(number, name), max_answer=self.config.max_answer)
        except TimeoutError:
            raise TimeoutError(f"no answer within {self.config.endpoint_timeout} s") from None
        return _record(name, decode_identity(_result(answer, number, self.config.max_answer)))

    def _request(self, number: int, name: ShinkaiName) -> bytes:
        call = {"to": self.config.contract, "data": "0x" + encode_call(name.node_name.removeprefix("@@")).hex()}
        request = {"jsonrpc": "2.0", "id": number, "method": "eth_call", "params": [call, "latest"]}
        return json_text.compact(request).encode()


def _result(answer: bytes, number: int, max_answer: int) -> bytes:
    """Return the bytes in a server's answer to request ``number``."""
    value = json_text.plain(json_text.read_numbers(json_text.text_of(answer, max_size=max_answer)))
    if not isinstance(value, dict):
        raise RpcError("the answer is no JSON-RPC", requirement="SHK-65")
    if "error" in value and value["error"] is not None:
        error = value["error"]
        said = error.get("message") if isinstance(error, dict) else error
        raise RpcError(f"the server answers with an error: {shown(str(said))}", requirement="SHK-65")
    if value.get("id") != number or isinstance(value["id"], bool):
        raise RpcError("the answer is one to another request", requirement="SHK-65")
    result = value.get("result")
    if not isinstance(result, str) or not result.startswith("0x"):
        raise RpcError("the answer holds no result", requirement="SHK-65")
    try:
        return unhex(result[2:])
    except ValueError:
        raise RpcError("the result is not in hex", requirement="SHK-65") from None


def _record(name: ShinkaiName, identity: ChainIdentity) -> IdentityRecord:
    if identity.is_empty:
        raise IdentityNotFound(f"{name.node_name} is not registered")
    return read_record(
        name,
        identity.encryption_key,
        identity.signature_key,
        identity.routing,
        identity.address_or_proxy_nodes,
    )
