from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from p2pstack.errors import (
    DeadlineExceeded,
    DecodeError,
    DialError,
    GatedError,
    HostClosed,
    LimitExceeded,
    LocalError,
    PeerIdMismatch,
)
from p2pstack.host.config import HostConfig
from p2pstack.host.gate import ConnectionGate
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, parse, with_peer
from tests.aio.shell import black_hole, needs_proc, silent_listener, until
from tests.host.hosts import (
    LOOPBACK,
    address_of,
    closed_address,
    dialer,
    here,
    inbound,
    key,
    listener,
    new_host,
    nothing_left,
    used,
    with_dial,
    with_limits,
)

PUBLIC = parse("/ip4/8.8.8.8/tcp/4001")


@contextlib.contextmanager
def silent() -> Iterator[Multiaddr]:
    """An address whose connections come about, and never say a word."""
    with silent_listener() as sock:
        yield address_of(sock)


@contextlib.contextmanager
def unreachable() -> Iterator[Multiaddr]:
    """An address that swallows every packet."""
    with black_hole() as sock:
        yield address_of(sock)


async def failed_dial(host: BaseHost, target: Any, addresses: Any = (), **options: Any) -> DialError:
    with pytest.raises(DialError) as caught:
        await host.connect(target, addresses, **options)
    return caught.value


async def started(coroutine: Any) -> asyncio.Task[Any]:
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    assert not task.done()
    return task


# -- several addresses


@pytest.mark.req("TCP-04")
@needs_proc
async def test_when_an_address_refuses_the_next_is_tried_at_once() -> None:
    config = with_dial(private_stagger=60.0)
    async with nothing_left(), listener() as one, dialer(config=config) as two:
        connection = await two.connect(one.peer_id, [closed_address(), *one.addresses])
        assert connection.remote_address == one.addresses[0]


@pytest.mark.req("TCP-04")
@pytest.mark.parametrize("kind", [unreachable, silent])
@needs_proc
async def test_an_address_that_hangs_holds_up_the_next_no_longer_than_the_stagger(kind: Any) -> None:
    async with nothing_left(), listener() as one, dialer() as two:
        with kind() as dead:
            start = monotonic()
            connection = await two.connect(one.peer_id, [dead, *one.addresses])
            assert 0.02 < monotonic() - start < 2.0
            assert connection.remote_address == one.addresses[0]
            assert two.network.every_connection() == [connection], "the loser is gone before the winner is returned"


@pytest.mark.req("TCP-04")
async def test_loopback_and_private_addresses_go_before_public_ones() -> None:
    async with listener() as one, dialer(config=with_dial(stagger=60.0)) as two:
        connection = await two.connect(one.peer_id, [PUBLIC, *one.addresses])
        assert connection.remote_address == one.addresses[0]


@pytest.mark.req("TCP-04")
async def test_public_addresses_are_further_apart_than_private_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[tuple[str, float]] = []

    async def attempt(peer: object, address: Multiaddr) -> None:
        starts.append((str(address), monotonic()))
        await asyncio.Event().wait()

    async with dialer(config=with_dial(stagger=0.15, private_stagger=0.0)) as two:
        monkeypatch.setattr(two._dialer, "_attempt", attempt)
        addresses = ["/ip4/8.8.8.8/tcp/1", "/ip4/8.8.4.4/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.2/tcp/1"]
        dial = asyncio.create_task(two.connect(key(1).peer_id, addresses))
        await until(lambda: len(starts) == 4)
        dial.cancel()
        await asyncio.wait([dial])
    assert [address for address, _ in starts] == [addresses[2], addresses[3], addresses[0], addresses[1]]
    times = [when for _, when in starts]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[0] < 0.14 <= min(gaps[1:])


@pytest.mark.req("TCP-04")
@needs_proc
async def test_the_first_upgraded_connection_wins_and_the_others_are_closed() -> None:
    """Two addresses of one listener, with no stagger: both may come through in the same turn."""
    config = with_dial(private_stagger=0.0)
    async with nothing_left(), new_host(1, LOOPBACK, LOOPBACK) as one, dialer(config=config) as two:
        connection = await two.connect(one.peer_id, one.addresses)
        assert two.connections() == [connection]
        await until(lambda: len(one.connections()) == 1)
        assert used(two) == {"connections": 1}


@pytest.mark.req("TCP-04")
async def test_of_two_that_are_through_in_the_same_turn_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Through:
        closed = False

        async def close(self) -> None:
            self.closed = True

    through: list[Through] = []
    both = asyncio.Event()

    async def attempt(peer: object, address: Multiaddr) -> Through:
        through.append(Through())
        mine = through[-1]
        if len(through) == 2:
            both.set()
        await both.wait()
        return mine

    async with dialer(config=with_dial(private_stagger=0.0)) as two:
        monkeypatch.setattr(two._dialer, "_attempt", attempt)
        winner = await two.connect(key(1).peer_id, ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"])
    assert {each.closed for each in through if each is winner} == {False}
    assert {each.closed for each in through if each is not winner} == {True}


@pytest.mark.req("TCP-04", "TCP-01")
async def test_when_all_fail_the_error_lists_each_address_and_its_cause() -> None:
    dead = closed_address()
    ws = parse("/ip4/127.0.0.1/tcp/443/ws")
    stranger = with_peer(closed_address(), key(9).peer_id)
    peer = key(1).peer_id
    with unreachable() as hole, silent() as quiet:
        config = with_dial(address_timeout=0.05, timeout=1.0)
        async with nothing_left(), dialer(config=config) as two:
            error = await failed_dial(two, peer, [dead, ws, stranger, hole])
            assert error.peer == peer
            causes = dict(error.attempts)
            assert isinstance(causes[str(dead)], ConnectionRefusedError)
            assert isinstance(causes[str(hole)], DeadlineExceeded)
            assert isinstance(causes[str(ws)], DecodeError)
            assert isinstance(causes[str(stranger)], DecodeError)
            assert len(error.attempts) == 4
            for address in causes:
                assert address in str(error)
            with pytest.raises(DeadlineExceeded, match=r"took longer than 0\.05 s"):
                await two.connect(peer, [quiet], timeout=0.05)


@pytest.mark.req("TCP-04")
async def test_without_an_address_there_is_nothing_to_dial() -> None:
    async with dialer() as two:
        error = await failed_dial(two, key(1).peer_id)
        assert error.attempts == ()
        assert "no address is known" in str(error)


@pytest.mark.req("TCP-04")
@pytest.mark.parametrize("count", [1, 2])
async def test_another_peer_than_the_expected_one_fails_that_address_only(count: int) -> None:
    async with listener(1) as one, listener(3) as other, dialer() as two:
        wrong = other.addresses[0]
        error = await failed_dial(two, one.peer_id, [wrong, closed_address()][:count])
        [cause] = [error for address, error in error.attempts if address == str(wrong)]
        assert isinstance(cause, PeerIdMismatch)
        assert cause.actual == other.peer_id
        third = new_host(4)
        async with third:
            connection = await third.connect(one.peer_id, [wrong, *one.addresses])
            assert connection.peer_id == one.peer_id
        await until(lambda: not one.connections() and not other.connections())


@pytest.mark.req("TCP-04")
async def test_a_host_never_dials_itself() -> None:
    async with listener() as one:
        for target in (one.peer_id, here(one)):
            assert "own id" in str(await failed_dial(one, target))
        error = await failed_dial(one, one.addresses[0])
        assert "own" in str(error.attempts[0][1])
        error = await failed_dial(one, key(2).peer_id, one.addresses)
        assert isinstance(error.attempts[0][1], LocalError)
        assert used(one) == {}


@pytest.mark.req("TCP-04")
async def test_a_host_that_reaches_itself_by_another_address_notices() -> None:
    async with new_host(1, "/ip4/0.0.0.0/tcp/0") as one:
        port = str(one.bound_addresses[0]).rsplit("/", 1)[1]
        error = await failed_dial(one, f"/ip4/127.0.0.2/tcp/{port}")
        assert "itself" in str(error) or "clos" in str(error)
        await until(lambda: used(one) == {})
        assert one.connections() == []


@pytest.mark.req("TCP-04", "GEN-04")
async def test_a_dial_tries_so_many_addresses_and_names_the_others() -> None:
    config = with_dial(max_addresses=2, private_stagger=0.0)
    dead = [closed_address() for _ in range(4)]
    async with dialer(config=config) as two:
        error = await failed_dial(two, key(1).peer_id, dead)
        causes = [cause for _, cause in error.attempts]
        assert len(causes) == 4
        assert sum(isinstance(cause, ConnectionRefusedError) for cause in causes) == 2
        assert sum("over the limit of 2" in str(cause) for cause in causes) == 2


@pytest.mark.req("TCP-04")
async def test_only_so_many_connections_are_being_made_at_once() -> None:
    config = with_dial(max_concurrent=1, address_timeout=0.1)
    with unreachable() as hole:
        async with listener() as one, dialer(config=config) as two:
            first = await started(two.connect(key(7).peer_id, [hole]))
            start = monotonic()
            await two.connect(here(one))
            assert monotonic() - start > 0.05, "it waited for its turn"
            with pytest.raises(DialError):
                await first


@pytest.mark.req("TCP-05")
async def test_an_address_that_failed_is_left_alone_and_the_error_tells_why() -> None:
    dead = closed_address()
    peer = key(1).peer_id
    async with dialer(config=with_dial(backoff_base=60.0)) as two:
        await failed_dial(two, peer, [dead])
        error = await failed_dial(two, peer, [dead])
        assert "left alone for" in str(error)
        assert "refused" in str(error)
        other = await failed_dial(two, key(3).peer_id, [dead])
        assert isinstance(other.attempts[0][1], ConnectionRefusedError), "another peer may be there by now"


@pytest.mark.req("TCP-05")
async def test_a_pause_that_is_over_is_over() -> None:
    async with listener() as one, dialer(config=with_dial(backoff_base=0.0, backoff_factor=0.0)) as two:
        address = here(one)
        await one.close()
        await failed_dial(two, address)
        async with new_host(1, str(one._listen[0]).replace("/0", "/" + str(address).split("/")[4])):
            assert (await two.connect(address)).peer_id == one.peer_id


async def test_a_gate_may_refuse_an_address() -> None:
    class Gate(ConnectionGate):
        def allow_dial(self, peer: object, address: Multiaddr) -> bool:
            return False

    async with listener() as one, dialer(gate=Gate()) as two:
        error = await failed_dial(two, here(one))
        assert isinstance(error.attempts[0][1], GatedError)
        assert used(two) == {}


async def test_the_limit_on_connections_holds_for_dials() -> None:
    async with listener(1) as one, listener(3) as three, dialer(config=with_limits(connections=1)) as two:
        await two.connect(here(one))
        error = await failed_dial(two, here(three))
        cause = error.attempts[0][1]
        assert isinstance(cause, LimitExceeded)
        assert cause.name == "connections"
        assert used(two) == {"connections": 1}
        await two.disconnect(one.peer_id)
        await two.connect(here(three), timeout=5)


# -- whom


async def test_without_a_peer_id_whoever_answers_is_taken() -> None:
    async with listener() as one, dialer() as two:
        connection = await two.connect(str(one.addresses[0]))
        assert connection.peer_id == one.peer_id


@pytest.mark.req("TCP-01")
async def test_names_are_resolved_and_what_does_not_resolve_is_an_attempt() -> None:
    class Names:
        async def addresses(self, name: str, family: int) -> list[str]:
            if name != "one.example":
                raise OSError("no such name")
            assert family == socket.AF_INET
            return ["127.0.0.1"]

        async def texts(self, name: str) -> list[str]:
            raise OSError("no such name")

    async with listener() as one, dialer(names=Names()) as two:
        port = str(one.addresses[0]).rsplit("/", 1)[1]
        addresses = ["/dnsaddr/unknown.example", f"/dns4/one.example/tcp/{port}"]
        connection = await two.connect(one.peer_id, addresses)
        assert connection.remote_address == one.addresses[0]
        error = await failed_dial(two, key(7).peer_id, addresses[:1])
        assert isinstance(error.attempts[0][1], DialError)
        assert "no such name" in str(error)


# -- joining


@pytest.mark.req("TCP-04")
async def test_dials_of_one_peer_at_the_same_time_are_one_dial() -> None:
    async with listener() as one, dialer() as two:
        connections = await asyncio.gather(*(two.connect(here(one)) for _ in range(10)))
        assert len(set(connections)) == 1
        assert two.connections() == [connections[0]]
        await until(lambda: len(one.connections()) == 1)
        assert await two.connect(one.peer_id) is connections[0], "and later ones find it"


@pytest.mark.req("TCP-04")
async def test_who_joins_a_dial_that_fails_gets_its_error() -> None:
    with unreachable() as hole:
        async with dialer(config=with_dial(address_timeout=0.05)) as two:
            outcomes = await asyncio.gather(
                *(two.connect(key(1).peer_id, [hole]) for _ in range(3)), return_exceptions=True
            )
            assert all(isinstance(outcome, DialError) for outcome in outcomes)
            assert isinstance(outcomes[2], DialError)
            assert isinstance(outcomes[2].attempts[0][1], DeadlineExceeded)


@pytest.mark.req("TCP-04")
async def test_who_joins_takes_over_where_the_first_caller_is_cancelled() -> None:
    async with listener() as one, dialer() as two:
        first = await started(two.connect(here(one)))
        second = await started(two.connect(here(one)))
        third = await started(two.connect(here(one)))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second is await third
        assert len(two.connections()) == 1


@pytest.mark.req("TCP-04")
async def test_who_joins_has_its_own_time() -> None:
    with unreachable() as hole:
        async with dialer() as two:
            patient = await started(two.connect(key(1).peer_id, [hole], timeout=60))
            with pytest.raises(DeadlineExceeded):
                await two.connect(key(1).peer_id, [hole], timeout=0.02)
            assert not patient.done()
            patient.cancel()
            hasty = await started(two.connect(key(1).peer_id, [hole], timeout=0.02))
            with pytest.raises(DeadlineExceeded):
                await hasty


@pytest.mark.req("TCP-04")
@pytest.mark.parametrize("kind", [unreachable, silent])
@pytest.mark.parametrize("addresses", [1, 3])
@needs_proc
async def test_when_the_last_caller_is_cancelled_nothing_of_the_dial_is_left(kind: Any, addresses: int) -> None:
    with contextlib.ExitStack() as stack:
        dead = [stack.enter_context(kind()) for _ in range(addresses)]
        async with dialer(config=with_dial(private_stagger=0.0)) as two, nothing_left():
            callers = [await started(two.connect(key(1).peer_id, dead)) for _ in range(2)]
            await until(lambda: asyncio.all_tasks() and (kind is unreachable or used(two)))
            for caller in callers:
                caller.cancel()
            await asyncio.wait(callers)
            assert all(caller.cancelled() for caller in callers)
            await until(lambda: used(two) == {})
            assert two._dialer is not None
            assert two._dialer._running == {}


@pytest.mark.req("TCP-04")
async def test_a_new_dial_while_the_old_one_is_being_cancelled_is_its_own() -> None:
    async with listener() as one, dialer() as two:
        with silent() as dead:
            old = await started(two.connect(one.peer_id, [dead]))
            await until(lambda: used(two))
            old.cancel()
            connection = await two.connect(one.peer_id, one.addresses)
            assert connection.peer_id == one.peer_id
            assert old.cancelled()


@pytest.mark.req("TCP-04")
@needs_proc
async def test_closing_the_host_ends_its_dials_and_says_so() -> None:
    with unreachable() as hole:
        async with nothing_left():
            async with dialer() as two:
                callers = [await started(two.connect(key(1).peer_id, [hole])) for _ in range(2)]
                callers.append(await started(two.connect(hole)))
            for caller in callers:
                with pytest.raises(HostClosed):
                    await caller


async def test_a_dial_that_succeeds_in_the_turn_of_its_cancellation_leaves_no_half_of_anything() -> None:
    """Either there is a whole connection, which the host owns, or none on either side."""
    for turns in range(0, 40, 2):
        async with listener() as one, dialer() as two:
            task = asyncio.create_task(two.connect(here(one)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if task.cancelled():
                await until(lambda one=one, two=two: used(one) == used(two) == {})
            else:
                assert two.connections() == [task.result()]
                await inbound(one)


def test_a_dial_needs_a_started_host() -> None:
    host = BaseHost(key(1), config=HostConfig())
    with pytest.raises(HostClosed):
        asyncio.run(host.connect("/ip4/127.0.0.1/tcp/1"))
