"""The registry on chain, through servers of all kinds."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import pytest

from p2pstack.shinkai.directory.chain import MAX_NAME, ChainDirectory
from p2pstack.shinkai.directory.config import ChainConfig
from p2pstack.shinkai.directory.errors import DirectoryUnavailable, IdentityNotFound, InvalidIdentity
from p2pstack.shinkai.names import ShinkaiName
from tests.shinkai.directory.servers import Reply, http, results, saying, serving, silence
from tests.vectors import load

VECTORS = {vector["name"]: vector for vector in load("shinkai_registry")["vectors"]}
NODE1 = VECTORS["node1_test.sep-shinkai"]
FOUND = "0x" + NODE1["returned"]
EMPTY = "0x" + VECTORS[""]["returned"]
NAME = ShinkaiName.parse("@@node1_test.sep-shinkai/main")


@pytest.mark.req("SHK-64", "SHK-65")
async def test_a_name_is_asked_for_as_the_original_does() -> None:
    async with serving(results(FOUND)) as server:
        directory = ChainDirectory(ChainConfig(endpoints=(server.url,)))
        record = await directory.lookup(NAME)
        await directory.lookup(NAME)
        await directory.close()
    assert str(record.name) == "@@node1_test.sep-shinkai"
    assert record.encryption_key.to_hex() == NODE1["values"][2]
    assert record.signature_key.data.hex() == NODE1["values"][3]
    assert (record.routing, record.address_or_proxy_nodes) == (False, ("127.0.0.1:8080",))
    assert server.requests[0] == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "eth_call",
        "params": [
            {"to": "0x425fb20ba3874e887336aaa7f3fab32d08135ba9", "data": "0x" + NODE1["call"]},
            "latest",
        ],
    }
    assert server.requests[1]["id"] == 2


@pytest.mark.req("SHK-65")
@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (results("0x", id=77), "another request"),
        (results(FOUND, id=True), "another request"),
        (results(FOUND, id=None), "another request"),
        (results(FOUND, error={"code": 3, "message": "execution reverted"}), "execution reverted"),
        (results(FOUND, error="busy"), "busy"),
        (results("0x"), "ends too early"),
        (results("0x" + "00" * 1_000), "ends too early|points behind|is not registered"),
        (results("0xzz"), "not in hex"),
        (results("zz"), "no result"),
        (results(FOUND, result=None), "no result"),
        (saying(http(b"[]")), "no JSON-RPC"),
        (saying(http(b"{")), "no JSON"),
        (saying(http(b"\xff")), "UTF-8"),
        (saying(http(b"[" * 1_000)), "nested"),
        (saying(http(b"x" * 1_000_000)), "more than 262144 bytes"),
        (saying(http(b"", status="429 Too Many Requests")), "status 429"),
        (saying(b"garbage\n"), "no HTTP"),
        (silence, "no answer within 0.2 s"),
        (None, "onnect"),
    ],
)
async def test_a_server_of_no_use_is_passed_over_and_told(reply: Reply | None, why: str) -> None:
    async with AsyncExitStack() as stack:
        url = "http://127.0.0.1:1/secret-key"
        if reply is not None:
            url = (await stack.enter_async_context(serving(reply))).url
        config = ChainConfig(endpoints=(url,), endpoint_timeout=0.2)
        if "not registered" not in why:
            with pytest.raises(DirectoryUnavailable, match=why) as caught:
                await ChainDirectory(config).lookup(NAME)
            assert "127.0.0.1: " in str(caught.value)
            assert "secret" not in str(caught.value)
        good = await stack.enter_async_context(serving(results(FOUND)))
        both = ChainConfig(endpoints=(url, good.url), endpoint_timeout=0.2)
        assert (await ChainDirectory(both).lookup(NAME)).encryption_key.to_hex() == NODE1["values"][2]


@pytest.mark.req("SHK-64")
async def test_a_name_that_no_server_knows() -> None:
    async with serving(results(EMPTY)) as first, serving(results(FOUND)) as second:
        with pytest.raises(IdentityNotFound):
            await ChainDirectory(ChainConfig(endpoints=(first.url, "http://127.0.0.1:1"))).lookup(NAME)
        both = ChainConfig(endpoints=(first.url, second.url))
        assert (await ChainDirectory(both).lookup(NAME)).name == NAME.node
        long = ShinkaiName.parse("@@" + "a" * MAX_NAME + ".shinkai")
        with pytest.raises(IdentityNotFound, match="too long"):
            await ChainDirectory(both).lookup(long)
        assert len(second.requests) == 1


@pytest.mark.req("SHK-64")
async def test_a_registration_that_can_not_be_used() -> None:
    odd = "0x" + VECTORS["a" * 32 + ".shinkai"]["returned"]
    async with serving(results(odd)) as server:
        with pytest.raises(InvalidIdentity, match="a key is 64 hex digits"):
            await ChainDirectory(ChainConfig(endpoints=(server.url,))).lookup(NAME)


@pytest.mark.req("SHK-65")
async def test_all_servers_together_take_no_longer_than_they_may() -> None:
    async with serving(silence) as server:
        config = ChainConfig(endpoints=(server.url,) * 50, endpoint_timeout=0.1, timeout=0.25)
        with pytest.raises(DirectoryUnavailable, match=r"no time was left after 0\.25 s"):
            await ChainDirectory(config).lookup(NAME)
        assert len(server.requests) <= 3
        assert json.dumps(server.requests[0])
