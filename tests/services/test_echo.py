"""The example: what it says holds."""

from __future__ import annotations

import os

import pytest

from p2pstack import Host, ProtocolNotSupported, ProtocolViolation, Stream, serve_echo
from p2pstack.errors import LimitExceeded, RelayedOnly, StreamReset
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.echo import ECHO, echo
from tests.services.hosts import LOOPBACK, backward, connected


async def test_the_example_in_the_docstring() -> None:
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as server, Host() as client:
        serve_echo(server)
        assert await echo(client, server.full_addresses[0], b"hello") == b"hello"


@pytest.mark.req("GEN-09")
@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
async def test_any_amount_comes_back(size: int) -> None:
    data = os.urandom(size)
    far = BaseHost()
    serve_echo(far)
    async with connected(BaseHost(), far) as (near, _, _connection):
        assert await echo(near, far.peer_id, data) == data
        assert await echo(near, far.peer_id, data) == data


@pytest.mark.req("RELAY-12")
async def test_through_a_relay_only_where_both_ends_allow_it() -> None:
    way = parse("/ip4/127.0.0.1/tcp/1/p2p-circuit")
    for allowed in (False, True):
        far = BaseHost()
        serve_echo(far, relayed=allowed)
        async with connected(BaseHost(), far) as (near, _, connection):
            connection.circuit = (await backward(far, near)).circuit = way
            with pytest.raises(RelayedOnly):
                await echo(near, far.peer_id, b"hello")
            if allowed:
                assert await echo(near, far.peer_id, b"hello", relayed=True) == b"hello"
            else:
                with pytest.raises(StreamReset):
                    await echo(near, far.peer_id, b"hello", relayed=True)


async def test_it_has_to_be_served() -> None:
    async with Host(listen=[LOOPBACK]) as server, Host() as client:
        with pytest.raises(ProtocolNotSupported):
            await echo(client, server.full_addresses[0], b"hello")


@pytest.mark.misbehave
@pytest.mark.parametrize(
    ("answer", "error"), [(b"hell", ProtocolViolation), (b"jello", ProtocolViolation), (b"hello!", LimitExceeded)]
)
async def test_another_answer_is_an_error(answer: bytes, error: type[Exception]) -> None:
    async def lying(stream: Stream) -> None:
        await stream.read_exactly(5)
        stream.write(answer)

    far = BaseHost()
    far.handle(ECHO, lying)
    async with connected(BaseHost(), far) as (near, _, connection):
        with pytest.raises(error):
            await echo(near, far.peer_id, b"hello")
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("GEN-01")
async def test_a_peer_that_resets_hurts_only_its_stream() -> None:
    far = BaseHost()
    serve_echo(far)
    async with connected(BaseHost(), far) as (near, _, connection):
        stream = await near.open_stream(far.peer_id, ECHO)
        stream.write(b"half")
        assert await stream.read_exactly(4) == b"half"
        stream.reset()
        assert await echo(near, far.peer_id, b"whole") == b"whole"
        assert not connection.closed

    async def resets(stream: Stream) -> None:
        stream.reset()

    far = BaseHost()
    far.handle(ECHO, resets)
    async with connected(BaseHost(), far) as (near, _, connection):
        with pytest.raises(StreamReset):
            await echo(near, far.peer_id, bytes(5_000_000))
        assert not connection.closed
