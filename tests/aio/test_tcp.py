from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.aio.tcp import close_servers, dial_tcp, listen_tcp, listening_addresses
from p2pstack.connection.config import ConnectionConfig
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    GatedError,
    LimitExceeded,
    NegotiationError,
    P2PError,
    PeerIdMismatch,
)
from p2pstack.identity.multiaddrs import from_sockaddr
from tests.aio.shell import (
    HOSTS,
    Side,
    black_hole,
    descriptors,
    dial,
    end,
    linked,
    listening,
    needs_ipv6,
    needs_proc,
    sees_the_end,
    silent_listener,
    until,
)


async def dial_socket(side: Side, sock: socket.socket, timeout: float = 5.0) -> None:
    """Dial a plain socket; this is to fail."""
    host, port = sock.getsockname()[:2]
    address = from_sockaddr((host, port))
    await dial_tcp(side.runtime, host, port, dialled=address, expected_peer=None, timeout=timeout)


@pytest.mark.req("TCP-02")
@pytest.mark.parametrize("host", HOSTS)
async def test_a_listener_on_port_0_reports_its_port_and_is_dialled(host: str) -> None:
    client, server = Side(1), Side(2)
    async with listening(server, host) as listener:
        [address] = listening_addresses(listener)
        port = listener.sockets[0].getsockname()[1]
        assert port > 0
        assert str(address) == f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/{port}"
        outbound = await dial(client, listener, expected_peer=server.peer_id)
        inbound = await server.connection()
        assert outbound.peer_id == server.peer_id
        assert inbound.peer_id == client.peer_id
        assert outbound.remote_address == address == inbound.local_address
        assert inbound.remote_address == outbound.local_address
        await end(outbound)


@pytest.mark.req("GEN-10")
@pytest.mark.parametrize("host", HOSTS)
async def test_nodelay_is_set_on_dialled_and_accepted_sockets(host: str) -> None:
    client, server = Side(1), Side(2)
    async with listening(server, host) as listener:
        outbound = await dial(client, listener)
        for connection in (outbound, await server.connection()):
            assert connection._transport is not None
            sock = connection._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await end(outbound)


@pytest.mark.req("TCP-02")
async def test_closing_a_listener_frees_its_port_at_once_even_with_connections_on_it() -> None:
    client, server = Side(1), Side(2)
    async with listening(server) as listener:
        host, port = listener.sockets[0].getsockname()
        outbound = await dial(client, listener)
        inbound = await server.connection()
        await inbound.close()  # this end keeps the port for a minute, in TIME_WAIT
        await outbound.wait_closed()
    again = await listen_tcp(server.runtime, host, port)
    assert again.sockets[0].getsockname()[1] == port
    again.close()


@pytest.mark.req("TCP-06")
@needs_proc
@pytest.mark.parametrize("turns", range(5))
async def test_who_was_accepted_while_the_listener_closes_sees_the_end(turns: int) -> None:
    side = Side(1)
    before = descriptors()
    listener = await listen_tcp(side.runtime, "127.0.0.1", 0)
    side.keeper.refuse_socket = GatedError("closing")
    assert await sees_the_end(listener.sockets[0].getsockname(), turns, lambda: close_servers([listener]))
    assert not listener.is_serving()
    await until(lambda: descriptors() == before)


async def test_a_cancelled_close_of_listeners_closes_them_all() -> None:
    side = Side(1)
    listeners = [await listen_tcp(side.runtime, "127.0.0.1", 0) for _ in range(2)]
    closing = asyncio.create_task(close_servers(listeners))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert not any(listener.sockets for listener in listeners)


@pytest.mark.req("TCP-02")
@needs_ipv6
async def test_an_ipv6_listener_takes_ipv6_only_so_both_wildcards_can_share_a_port() -> None:
    side = Side(1)
    six = await listen_tcp(side.runtime, "::", 0)
    port = six.sockets[0].getsockname()[1]
    four = await listen_tcp(side.runtime, "0.0.0.0", port)
    assert [str(address) for server in (six, four) for address in listening_addresses(server)] == [
        f"/ip6/::/tcp/{port}",
        f"/ip4/0.0.0.0/tcp/{port}",
    ]
    six.close()
    four.close()


@needs_proc
async def test_an_address_in_use_or_of_another_machine_is_refused_and_leaves_nothing() -> None:
    side = Side(1)
    async with listening(side) as listener:
        port = listener.sockets[0].getsockname()[1]
        before = descriptors()
        with pytest.raises(OSError, match="in use"):
            await listen_tcp(side.runtime, "127.0.0.1", port)
        with pytest.raises(OSError, match="assign"):
            await listen_tcp(side.runtime, "192.0.2.1", 0)
        assert descriptors() == before


@needs_proc
async def test_a_cancelled_listen_leaves_no_socket_and_no_trace_in_the_loop() -> None:
    side = Side(1)
    before = descriptors()
    task = asyncio.create_task(listen_tcp(side.runtime, "127.0.0.1", 0))
    await asyncio.sleep(0)
    task.cancel()
    [done], _ = await asyncio.wait([task])
    if not done.cancelled():
        done.result().close()
    await until(lambda: descriptors() == before)
    async with linked() as link:  # the freed number is used again: the loop must not remember the old socket
        near, far = await link.streams()
        near.write(b"hello")
        assert await far.read() == b"hello"


@needs_proc
async def test_a_refused_dial_leaves_nothing() -> None:
    side = Side(1)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        name = sock.getsockname()
    before = descriptors()
    with pytest.raises(ConnectionRefusedError):
        await dial_tcp(side.runtime, *name, dialled=from_sockaddr(name), expected_peer=None, timeout=5)
    assert descriptors() == before
    assert side.keeper.admitted == []


@needs_proc
async def test_an_address_that_swallows_packets_is_given_up_after_its_time() -> None:
    side = Side(1)
    with black_hole() as sock:
        before = descriptors()
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.05 s"):
            await dial_socket(side, sock, timeout=0.05)
        assert descriptors() == before


@pytest.mark.req("GEN-03")
@needs_proc
async def test_a_peer_that_never_says_a_word_costs_no_more_than_the_upgrade_timeout() -> None:
    side = Side(1, connection=ConnectionConfig(upgrade_timeout=0.05))
    with silent_listener() as sock:
        before = descriptors()
        with pytest.raises(DeadlineExceeded, match=r"upgrade did not end within 0\.05 s"):
            await dial_socket(side, sock)
        await until(lambda: len(side.keeper.gone) == 1)
        await until(lambda: descriptors() == before)


@needs_proc
@pytest.mark.parametrize("turns", range(8))
async def test_a_dial_that_is_cancelled_leaves_no_socket(turns: int) -> None:
    """After any number of turns: in the connect, in the hand-over to the loop, in the upgrade."""
    side = Side(1)
    for stage in (silent_listener, black_hole):
        with stage() as sock:
            before = descriptors()
            task = asyncio.create_task(dial_socket(side, sock))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda before=before: descriptors() == before)
            await until(lambda: len(side.keeper.gone) == len(side.keeper.admitted))


@needs_proc
async def test_a_dial_that_is_cancelled_in_the_turn_in_which_it_succeeds_leaves_no_connection() -> None:
    client, server = Side(1), Side(2)
    async with listening(server) as listener:
        before = descriptors()
        task = asyncio.create_task(dial(client, listener))
        opened = client.keeper.opened

        def cancel_and_open(connection: Connection) -> P2PError | None:
            task.cancel()
            return opened(connection)

        client.keeper.opened = cancel_and_open  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not client.keeper.open and not server.keeper.open)
        await until(lambda: descriptors() == before)


@needs_proc
async def test_a_dial_that_is_cancelled_while_its_socket_is_handed_over_is_forgotten() -> None:
    """uvloop tells the protocol nothing of such an end, although it told it of the beginning."""
    client = Side(1)
    with silent_listener() as sock:
        before = descriptors()
        task = asyncio.create_task(dial_socket(client, sock))
        admit = client.keeper.admit

        def cancel_and_admit(connection: Connection) -> P2PError | None:
            task.cancel()
            return admit(connection)

        client.keeper.admit = cancel_and_admit  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: client.keeper.gone)
        assert client.keeper.gone == client.keeper.admitted
        assert client.keeper.gone[0].closed
        await client.keeper.gone[0].wait_closed()
        await until(lambda: descriptors() == before)


@pytest.mark.req("NOISE-07")
async def test_another_peer_than_the_expected_one_fails_the_dial() -> None:
    client, server, other = Side(1), Side(2), Side(3)
    async with listening(server) as listener:
        with pytest.raises(PeerIdMismatch) as caught:
            await dial(client, listener, expected_peer=other.peer_id)
        assert caught.value.expected == other.peer_id
        assert caught.value.actual == server.peer_id
        await until(lambda: client.keeper.gone and server.keeper.gone)
    assert server.keeper.open == client.keeper.open == []


@pytest.mark.parametrize("refusal", ["refuse_socket", "refuse_peer"])
async def test_what_the_owner_refuses_is_the_error_of_the_dial(refusal: str) -> None:
    client, server = Side(1), Side(2)
    error = GatedError("not with me")
    setattr(client.keeper, refusal, error)
    async with listening(server) as listener:
        with pytest.raises(GatedError) as caught:
            await dial(client, listener)
        assert caught.value is error
        await until(lambda: client.keeper.gone and server.keeper.gone)


@pytest.mark.parametrize("refusal", ["refuse_socket", "refuse_peer"])
async def test_what_the_owner_refuses_of_a_listener_costs_that_connection_only(refusal: str) -> None:
    client, server = Side(1), Side(2)
    async with listening(server) as listener:
        kept = await dial(client, listener)
        await server.connection()
        setattr(server.keeper, refusal, LimitExceeded("connections", 1))
        for _ in range(3):
            # The dial itself may be through before the refusal comes.
            with contextlib.suppress(NegotiationError, ConnectionClosed):
                connection = await dial(client, listener)
                await connection.wait_closed()
        assert len(server.keeper.open) == 1
        setattr(server.keeper, refusal, None)
        again = await dial(client, listener)
        assert not kept.closed
        await end(kept, again)


@pytest.mark.req("TCP-03", "GEN-01")
async def test_half_open_connections_hold_up_no_others() -> None:
    client, server = Side(1), Side(2, connection=ConnectionConfig(upgrade_timeout=0.2))
    async with listening(server) as listener:
        name = listener.sockets[0].getsockname()
        idle = [socket.create_connection(name) for _ in range(30)]
        await until(lambda: len(server.keeper.admitted) == 30)
        connection = await dial(client, listener)
        assert not connection.closed
        assert len(server.keeper.gone) == 0, "it had not to wait for the others to run out of time"
        await until(lambda: len(server.keeper.gone) == 30)
        assert not connection.closed
        for sock in idle:
            sock.close()
        await end(connection)


@pytest.mark.req("TCP-03", "GEN-01")
@needs_proc
async def test_a_listener_outlives_a_lack_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)
    monkeypatch.setattr("asyncio.selector_events.constants.ACCEPT_RETRY_DELAY", 0.01)
    complaints: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    client, server = Side(1), Side(2)
    async with listening(server) as listener:
        sock = socket.socket()
        sock.setblocking(False)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (_lowest_free(), hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                socket.socket()
            sock.connect_ex(listener.sockets[0].getsockname())
            for _ in range(50):
                await asyncio.sleep(0)
            assert server.keeper.admitted == []
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            sock.close()
        connection = await dial(client, listener)
        await server.connection()
        await end(connection)
    assert all(isinstance(context.get("exception"), OSError) for context in complaints)


def _lowest_free() -> int:
    """The lowest descriptor that is free: with it as the limit none can be had, whatever is open above."""
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    return probe
