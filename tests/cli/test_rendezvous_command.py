"""``p2pstack rendezvous``, as people use it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from p2pstack.cli.output import Output
from p2pstack.cli.rendezvous_command import _show
from p2pstack.errors import LocalError
from p2pstack.host.events import PeerConnected
from p2pstack.services.rendezvous.events import NamespaceJoined, NamespaceLost, PeerRegistered, PeerUnregistered
from tests.cli.commands import Commands, start
from tests.rendezvous.making import PEERS
from tests.services.rendezvous.points import point

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


class Program:
    """A command that runs, and the lines that it prints as JSON."""

    def __init__(self, running: Any) -> None:
        self._running = running

    async def next(self) -> dict[str, Any]:
        line = await asyncio.wait_for(asyncio.to_thread(self._running.stdout.readline), 20)
        told: dict[str, Any] = json.loads(line)
        return told

    async def stop(self) -> int:
        self._running.terminate()
        await asyncio.to_thread(self._running.communicate, timeout=20)
        status: int = self._running.returncode
        return status


@contextlib.contextmanager
def program(*words: object) -> Iterator[Program]:
    with start("rendezvous", *words, "--json") as running:
        try:
            yield Program(running)
        finally:
            if running.poll() is None:
                running.kill()


async def test_who_registers_is_found_until_it_is_stopped(commands: Commands) -> None:
    with program("serve", "--listen", LOOPBACK) as serving:
        address = (await serving.next())["addresses"][0]
        nobody = await commands.beside("rendezvous", "discover", "app", "--at", address)
        assert (nobody.status, nobody.out) == (1, "Nobody has registered.\n")
        words = ("register", "app", "--at", address, "--listen", LOOPBACK, "--ttl", 9_000)
        with program(*words) as registering:
            here = await registering.next()
            assert here["points"] == [address.rsplit("/", 1)[1]]
            assert await serving.next() == {
                "event": "registered", "peer_id": here["peer_id"], "namespace": "app", "ttl": 9_000,
            }  # fmt: skip
            for names in (["app"], []):
                [found] = (await commands.beside("rendezvous", "discover", *names, "--at", address, "--json")).json
                assert found == {"peer_id": here["peer_id"], "namespace": "app", "addresses": here["addresses"]}
            shown = await commands.beside("rendezvous", "discover", "app", "--at", address)
            assert shown.status == 0
            assert here["addresses"][0] in shown.out
            assert await registering.stop() == 0
        assert await serving.next() == {"event": "unregistered", "peer_id": here["peer_id"], "namespace": "app"}
        assert await serving.stop() == 0


async def test_what_a_point_refuses_is_the_error(commands: Commands) -> None:
    async with point() as (host, _):
        at = ("--at", host.full_addresses[0])
        words = ("rendezvous", "register", "app", *at, "--listen", LOOPBACK)
        refused = await commands.beside(*words, "--ttl", 60)
        assert refused.status == 1
        assert "E_INVALID_TTL" in refused.err
        unnamed = await commands.beside("rendezvous", "discover", "x" * 256, *at)
        assert unnamed.status == 1
        assert "1 to 255 bytes" in unnamed.err


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (PeerRegistered(peer=PEERS[0], namespace="a\x1b", ttl=7, renewed=False), "+ {0} registered under a"),
        (PeerRegistered(peer=PEERS[0], namespace="a", ttl=7, renewed=True), "+ {0} renewed under a, for 7 s"),
        (PeerUnregistered(peer=PEERS[0], namespace="a", expired=True), "- {0} expired under a"),
        (NamespaceJoined(point=PEERS[0], namespace="a", ttl=7), "* {0} has registered us, for 7 s"),
        (
            NamespaceLost(point=PEERS[0], namespace="a", error=LocalError("full"), retry_in=1.0),
            "* {0} has not registered us: full",
        ),
        (PeerConnected(peer=PEERS[0]), ""),
    ],
)
def test_what_happens_is_shown(event: Any, line: str) -> None:
    stream = io.StringIO()
    _show(event, Output(stream=stream))
    assert stream.getvalue().startswith(line.format(PEERS[0]))
    assert "\x1b" not in stream.getvalue()
    assert bool(stream.getvalue()) == bool(line)
