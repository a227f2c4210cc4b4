"""The cable that takes its time."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

import pytest

from p2pstack.testing.nat import delay
from p2pstack.testing.nat.delay import Way
from p2pstack.testing.nat.namespaces import Nat, Topology
from tests.testing.nat.test_namespaces import listener, tcp

TRIES = 8
SLACK_SECONDS = 0.008
"""What the best of all tries may take longer on a machine with other things to do."""


@pytest.mark.parametrize(("delay_ms", "nat"), [(25, Nat.PORT_PRESERVING), (40, Nat.SYMMETRIC)])
def test_the_delay_is_what_was_asked_for(build: Callable[..., Topology], delay_ms: float, nat: Nat) -> None:
    with build(delay_ms) as net:
        server, client = net.host(Nat.PUBLIC), net.host(nat)
        with listener(server) as waiting:
            times = []
            for _ in range(TRIES):
                with tcp(client) as near:
                    started = time.perf_counter()
                    near.connect((server.address, waiting.getsockname()[1]))
                    times.append(time.perf_counter() - started)
    assert 2 * delay_ms / 1000 <= min(times) <= 2 * delay_ms / 1000 + SLACK_SECONDS


def test_a_router_may_have_a_delay_of_its_own(build: Callable[..., Topology]) -> None:
    with build(30) as net:
        server, client = net.host(Nat.PUBLIC), net.router(Nat.PORT_PRESERVING, delay_ms=0).host()
        assert not net._forwarders
        with listener(server) as waiting, tcp(client) as near:
            near.connect((server.address, waiting.getsockname()[1]))


def test_a_public_host_may_have_one_too(build: Callable[..., Topology]) -> None:
    with build() as net:
        server, client = net.host(Nat.PUBLIC, delay_ms=30), net.host(Nat.PUBLIC)
        with listener(server) as waiting, tcp(client) as near:
            started = time.perf_counter()
            near.connect((server.address, waiting.getsockname()[1]))
            assert time.perf_counter() - started >= 0.06


def test_much_goes_through_in_order(build: Callable[..., Topology]) -> None:
    data = os.urandom(1 << 20)
    with build(2) as net:
        server, client = net.host(Nat.PUBLIC), net.host(Nat.PORT_PRESERVING)
        with listener(server) as waiting, tcp(client) as near:
            near.connect((server.address, waiting.getsockname()[1]))
            far, _ = waiting.accept()
            with far:
                far.settimeout(10)
                received = bytearray()
                for end in range(1 << 16, len(data) + 1, 1 << 16):
                    near.sendall(data[end - (1 << 16) : end])
                    while len(received) < end:
                        received += far.recv(1 << 16)
    assert received == data


def test_a_full_queue_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delay, "MAX_QUEUED", 3)
    source, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    target, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with source, sender, target, receiver:
        source.setblocking(False)
        receiver.setblocking(False)
        way = Way(source.fileno(), target.fileno(), 0.0)
        assert way.wait() == 1.0
        for number in range(5):
            sender.send(bytes([number]))
        way.take()
        assert way.wait() == 0.0
        way.give()
        assert [receiver.recv(9) for _ in range(3)] == [b"\0", b"\1", b"\2"]
        with pytest.raises(BlockingIOError):
            receiver.recv(9)
        receiver.close()
        sender.send(b"lost")
        way.take()
        way.give()
        assert not way.queue


def test_nothing_is_given_before_its_time() -> None:
    source, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with source, sender:
        source.setblocking(False)
        way = Way(source.fileno(), -1, 60.0)
        sender.send(b"late")
        way.take()
        way.give()
        assert len(way.queue) == 1
        assert 59 < way.wait() <= 60
