"""Rendezvous with rust, the only other one that speaks it: each as point and as client, on the loopback."""

from __future__ import annotations

import pytest

from p2pstack import Host
from p2pstack.rendezvous.status import Status
from p2pstack.services.rendezvous.client import RendezvousClient
from p2pstack.services.rendezvous.errors import RendezvousRefused
from p2pstack.services.rendezvous.events import PeerRegistered
from p2pstack.services.rendezvous.server import RendezvousServer
from tests.interop.harness import Event, Peers
from tests.services.hosts import LOOPBACK, next_event

pytestmark = pytest.mark.interop

ADDRESS = "/ip4/127.0.0.1/tcp/4001"


async def ask(peers: Peers, kind: str, address: str, do: str, *options: object, event: str) -> list[Event]:
    """Run one verb to its end; return its events of one name."""
    async with peers.run(kind, "dial", address, "--do", f"rendezvous-{do}", *options) as peer:
        await peer.finish()
        await peer.event(f"rendezvous-{event}")
        return [each for each in peer.events if each["event"] == f"rendezvous-{event}"]


def told(event: Event) -> list[tuple[str, str, list[str]]]:
    return sorted((each["peer"], each["namespace"], each["addrs"]) for each in event["found"])


# -- we are the point


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("RDV-01", "RDV-03", "RDV-05")
async def test_rust_registers_with_us_and_is_found(peers: Peers, kind: str) -> None:
    async with Host(listen=[LOOPBACK]) as target, Host(listen=[LOOPBACK]) as host:
        point = RendezvousServer(target)
        await point.start()
        events = target.events(PeerRegistered)
        at = str(target.full_addresses[0])
        (done,) = await ask(
            peers, kind, at, "register", "--namespace", "app", "--addr", ADDRESS, "--ttl", 9_000, event="registered"
        )
        assert done["ttl"] == 9_000
        registered = await next_event(events, PeerRegistered)
        assert (registered.namespace, registered.ttl) == ("app", 9_000)
        async with RendezvousClient(host, [at]) as client:
            (found,) = await client.discover("app")
            assert found.peer == registered.peer
            assert [str(each) for each in found.addresses] == [ADDRESS]
        await point.stop()


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("RDV-02", "RDV-05")
async def test_rust_understands_our_refusal(peers: Peers, kind: str) -> None:
    async with Host(listen=[LOOPBACK]) as target:
        point = RendezvousServer(target)
        await point.start()
        (failed,) = await ask(
            peers, kind, str(target.full_addresses[0]), "register", "--namespace", "app", "--addr", ADDRESS, "--ttl", 1,
            event="failed",
        )  # fmt: skip
        assert failed["error"] == "InvalidTtl"
        await point.stop()


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("RDV-07", "RDV-08", "RDV-11", "RDV-12")
@pytest.mark.parametrize("options", [("--namespace", "app"), ()])
async def test_rust_finds_us_at_our_point_and_goes_on_with_our_cookie(
    peers: Peers, kind: str, options: tuple[str, ...]
) -> None:
    async with Host(listen=[LOOPBACK]) as target, Host(listen=[LOOPBACK]) as first, Host(listen=[LOOPBACK]) as second:
        point = RendezvousServer(target)
        await point.start()
        at = str(target.full_addresses[0])
        async with RendezvousClient(first, [at]) as near, RendezvousClient(second, [at]) as far:
            await near.register("app")
            await far.register("app")
            pages = await ask(peers, kind, at, "discover", *options, "--limit", 1, event="discovered")
            assert [len(page["found"]) for page in pages] == [1, 1]
            found = [entry for page in pages for entry in told(page)]
            assert sorted(found) == sorted(
                (str(host.peer_id), "app", [str(each) for each in host.addresses]) for host in (first, second)
            )
        await point.stop()


# -- rust is the point


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("RDV-01", "RDV-05", "RDV-06", "RDV-07", "RDV-08", "RDV-12")
async def test_we_register_discover_and_unregister_at_rust_s_point(peers: Peers, kind: str) -> None:
    async with (
        peers.listen(kind, "--rendezvous") as node,
        Host(listen=[LOOPBACK]) as first,
        Host(listen=[LOOPBACK]) as second,
        RendezvousClient(first, [node.address]) as near,
        RendezvousClient(second, [node.address]) as far,
    ):
        await near.register("app", ttl=10_000)
        assert [each.peer for each in await far.discover("app")] == [first.peer_id]
        await far.register("app")
        (found,) = await near.discover("app")
        assert (found.peer, list(found.addresses)) == (second.peer_id, second.addresses)
        assert [each.peer for each in await near.discover("app")] == [second.peer_id], "nothing is new"
        await far.unregister("app")
        await node.event("rendezvous-served", where=lambda event: "PeerUnregistered" in event["detail"])
        near.forget("app")
        assert await near.discover("app") == []


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("RDV-02", "RDV-05")
async def test_rust_s_refusal_is_understood(peers: Peers, kind: str) -> None:
    async with (
        peers.listen(kind, "--rendezvous") as node,
        Host(listen=[LOOPBACK]) as host,
        RendezvousClient(host, [node.address]) as client,
    ):
        with pytest.raises(RendezvousRefused) as caught:
            await client.register("app", ttl=60)
        assert caught.value.status == Status.E_INVALID_TTL


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("RDV-07")
async def test_rust_and_we_meet_at_rust_s_point(peers: Peers, kind: str) -> None:
    async with (
        peers.listen(kind, "--rendezvous") as node,
        Host(listen=[LOOPBACK]) as host,
        RendezvousClient(host, [node.address]) as client,
    ):
        await client.register("app")
        at = node.address
        await ask(peers, kind, at, "register", "--namespace", "app", "--addr", ADDRESS, event="registered")
        (found,) = await client.discover("app")
        assert [str(each) for each in found.addresses] == [ADDRESS]
        first, again = await ask(peers, kind, at, "discover", "--namespace", "app", event="discovered")
        assert {entry[0] for entry in told(first)} == {str(host.peer_id), str(found.peer)}
        assert told(again) == []
