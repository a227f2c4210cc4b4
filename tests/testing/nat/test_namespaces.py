"""The topologies themselves, tried with plain sockets: what gets through, under which port, and what is left."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from p2pstack.testing.nat import namespaces
from p2pstack.testing.nat.namespaces import Host, Nat, Topology, leftovers, missing, sweep
from tests.nat import conftest
from tests.project.sources import ROOT

SECONDS = 10.0
VAIN_SECONDS = 0.7
"""How long a SYN that nobody answers is given. On these nets an answer takes a millisecond."""
PORT = 4001

Build = Callable[..., Topology]


def tcp(host: Host, port: int = 0) -> socket.socket:
    """A socket of that host, bound so that another one may be bound to the same port."""

    def make() -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.settimeout(SECONDS)
        made.bind(("0.0.0.0", port))
        return made

    return host.inside(make)


def listener(host: Host, port: int = 0) -> socket.socket:
    made = tcp(host, port)
    made.listen()
    return made


def seen(client: Host, server: Host, port: int, to: str = "") -> tuple[str, int]:
    """The address that ``server`` sees when ``client`` connects from ``port``; bytes go both ways."""
    with listener(server) as waiting, tcp(client, port) as near:
        near.connect((to or server.public_address, waiting.getsockname()[1]))
        far, address = waiting.accept()
        with far:
            near.sendall(b"there")
            assert far.recv(5) == b"there"
            far.sendall(b"back")
            assert near.recv(4) == b"back"
    return address


def connected(pairs: list[tuple[socket.socket, tuple[str, int]]], seconds: float) -> bool:
    """Whether all these sockets connect to these addresses, started at once."""
    for near, address in pairs:
        near.setblocking(False)
        assert near.connect_ex(address) == errno.EINPROGRESS
    waiting = [near for near, _ in pairs]
    while waiting:
        _, done, _ = select.select([], waiting, [], seconds)
        if not done or any(near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for near in done):
            return False
        waiting = [near for near in waiting if near not in done]
    return True


def punched(left: Host, right: Host, seconds: float) -> bool:
    """Whether connecting from both sides at once, each from the port that the other connects to, succeeds."""
    with tcp(left, PORT) as one, tcp(right, PORT) as other:
        if not connected([(one, (right.public_address, PORT)), (other, (left.public_address, PORT))], seconds):
            return False
        one.sendall(b"hole")
        ready, _, _ = select.select([other], [], [], seconds)
        return bool(ready) and other.recv(4) == b"hole"


@pytest.mark.parametrize("nat", [Nat.PORT_PRESERVING, Nat.SYMMETRIC])
def test_nobody_gets_in_uninvited(build: Build, nat: Nat) -> None:
    with build() as net:
        outside, inside = net.host(Nat.PUBLIC), net.host(nat)
        with listener(inside, PORT), tcp(outside) as near, tcp(outside) as other:
            near.settimeout(VAIN_SECONDS)
            with pytest.raises(TimeoutError):
                near.connect((inside.public_address, PORT))
            with pytest.raises(OSError, match=os.strerror(errno.ENETUNREACH)):
                other.connect((inside.address, PORT))


def test_a_router_without_a_firewall_refuses(build: Build) -> None:
    with build() as net:
        outside, inside = net.host(Nat.PUBLIC), net.host(Nat.REFUSING)
        with listener(inside, PORT), tcp(outside) as near, pytest.raises(ConnectionRefusedError):
            near.connect((inside.public_address, PORT))
        assert seen(inside, outside, PORT) == (inside.public_address, PORT)


def test_the_public_net_is_open(build: Build) -> None:
    with build() as net:
        one, other = net.host(Nat.PUBLIC), net.host(Nat.PUBLIC)
        assert (one.address, other.address) == ("5.10.0.1", "5.10.0.2")
        assert seen(one, other, PORT) == ("5.10.0.1", PORT)


def test_a_port_is_preserved_whoever_is_dialled(build: Build) -> None:
    with build() as net:
        servers = [net.host(Nat.PUBLIC) for _ in range(3)]
        inside = net.host(Nat.PORT_PRESERVING)
        assert inside.address == "192.168.1.2"
        assert [seen(inside, server, PORT) for server in servers] == [("5.10.0.101", PORT)] * 3


def test_a_symmetric_router_takes_a_new_port_each_time(build: Build) -> None:
    with build() as net:
        servers = [net.host(Nat.PUBLIC) for _ in range(3)]
        inside = net.host(Nat.SYMMETRIC)
        addresses = [seen(inside, server, PORT) for server in servers]
    assert {address for address, _ in addresses} == {"5.10.0.101"}
    ports = [port for _, port in addresses]
    assert len(set(ports)) > 1  # by chance one may be equal to another, or to the port inside
    assert ports.count(PORT) < 2


@pytest.mark.parametrize("delay_ms", [0, 20])
def test_two_hosts_behind_routers_can_meet_halfway(build: Build, delay_ms: float) -> None:
    with build(delay_ms) as net:
        assert punched(net.host(Nat.PORT_PRESERVING), net.host(Nat.PORT_PRESERVING), SECONDS)


@pytest.mark.parametrize("nats", [(Nat.PORT_PRESERVING, Nat.SYMMETRIC), (Nat.SYMMETRIC, Nat.SYMMETRIC)])
def test_behind_a_symmetric_router_they_do_not(build: Build, nats: tuple[Nat, Nat]) -> None:
    with build() as net:
        left, right = map(net.host, nats)
        assert not punched(left, right, VAIN_SECONDS)


def test_refusing_routers_need_packets_that_cross(build: Build) -> None:
    with build() as net:
        assert not punched(net.host(Nat.REFUSING), net.host(Nat.REFUSING), SECONDS)
    with build(delay_ms=30) as net:
        assert punched(net.host(Nat.REFUSING), net.host(Nat.REFUSING), SECONDS)


def test_hosts_of_one_lan_see_each_other(build: Build) -> None:
    with build() as net:
        router, outside = net.router(Nat.PORT_PRESERVING), net.host(Nat.PUBLIC)
        one, other = router.host(), router.host()
        assert (one.address, other.address) == ("192.168.1.2", "192.168.1.3")
        assert seen(one, other, PORT, other.address) == (one.address, PORT)
        with listener(outside) as waiting, tcp(one, PORT) as first, tcp(other, PORT) as second:
            ports = []
            for near in (first, second):
                near.connect((outside.address, waiting.getsockname()[1]))
                far, (_, port) = waiting.accept()
                far.close()
                ports.append(port)
    assert ports[0] == PORT != ports[1]  # the second one's is taken


def test_programs_run_inside(build: Build) -> None:
    with build() as net:
        host = net.host(Nat.PORT_PRESERVING)
        assert "192.168.1.2" in host.run("ip", "-4", "addr")
        with pytest.raises(OSError, match="status 3: gone"):
            host.run("sh", "-c", "echo gone >&2; exit 3")
        with pytest.raises(ZeroDivisionError):
            host.inside(lambda: 1 // 0)


def test_limits_and_nonsense_are_refused(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "MAX_NODES", 1)
    with build() as net:
        router = net.router(Nat.SYMMETRIC)
        net.host(Nat.PUBLIC), router.host()
        for excess in (lambda: net.host(Nat.PUBLIC), lambda: net.router(Nat.SYMMETRIC), router.host):
            with pytest.raises(ValueError, match="has room for 1"):
                excess()
        with pytest.raises(ValueError, match="no router"):
            net.router(Nat.PUBLIC)


def test_nothing_is_left(build: Build) -> None:
    with build(5) as net:
        host = net.host(Nat.PORT_PRESERVING)
        sleeper = subprocess.Popen([*host.prefix, "sleep", "1000"])
        forwarders = list(net._forwarders)
        assert len(leftovers(os.getpid())) == 3
        assert [forwarder.poll() for forwarder in forwarders] == [None]
    assert leftovers(os.getpid()) == []
    assert [forwarder.poll() for forwarder in forwarders] == [0]
    assert sleeper.wait(SECONDS) == -signal.SIGKILL


def test_nothing_is_left_after_an_error(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt), build() as net:
        net.host(Nat.PORT_PRESERVING)
        raise KeyboardInterrupt
    assert leftovers(os.getpid()) == []
    monkeypatch.setattr(namespaces, "_rules", lambda *_: "no rules")
    with pytest.raises(OSError, match="syntax error"), build() as net:
        net.host(Nat.PORT_PRESERVING)
    assert leftovers(os.getpid()) == []
    monkeypatch.setattr(namespaces, "_batch", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError), build():
        pass
    assert leftovers(os.getpid()) == []


BUILDER = """
import asyncio, signal, sys
from p2pstack.testing.nat import Nat, Topology
with Topology(5) as net:
    host = net.host(Nat.PORT_PRESERVING)
    print("built", flush=True)
    {then}
"""
READ = "sys.stdin.read()"
READ_ONLY = f"signal.signal(signal.SIGINT, signal.SIG_IGN); {READ}"
AWAIT = "asyncio.run(asyncio.Event().wait())"


@contextlib.contextmanager
def builder(then: str = READ) -> Iterator[subprocess.Popen[str]]:
    command, pipe = [sys.executable, "-c", BUILDER.replace("{then}", then)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "built\n"
        assert len(leftovers(it.pid)) == 3
        yield it
        it.kill()


@pytest.mark.usefixtures("build")
@pytest.mark.parametrize(
    ("then", "number"),
    [(READ, signal.SIGTERM), (READ, signal.SIGINT), (READ_ONLY, signal.SIGTERM), (AWAIT, signal.SIGTERM)],
)
def test_a_process_that_is_asked_to_end_leaves_nothing(then: str, number: int) -> None:
    with builder(then) as process:
        process.send_signal(number)
        assert process.wait(SECONDS) == -signal.SIGINT
        assert leftovers(process.pid) == []


def test_what_a_killed_process_left_is_swept_by_the_next(build: Build) -> None:
    with builder() as process, builder() as other:
        process.kill()
        process.wait(SECONDS)
        assert len(leftovers(process.pid)) == 3
        with build():
            assert leftovers(process.pid) == []
            assert len(leftovers(other.pid)) == 3  # it lives
        assert sweep() == []


def test_sigterm_is_as_before_afterwards(build: Build) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with build(), build():
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert missing() == "network namespaces need root"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "")
    assert "apt-get install iproute2" in missing()


def test_ci_skips_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="in CI: no root"):
        conftest.require(lambda: "no root")
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="no root"):
        conftest.require(lambda: "no root")
    conftest.require(lambda: None)
