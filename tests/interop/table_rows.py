"""The rows of the interop table beyond direct connections: relays, NATs, discovery, and Shinkai's own protocols.

Each cell runs tests of tests/interop or tests/nat, or for what p2pstack does with itself those of the part; the latter
two are named where they are taken from. Where no pair of programs is there for a cell it is empty.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from p2pstack.autonat.protocols import DIAL_REQUEST, V1
from p2pstack.testing.nat import Nat, Topology, missing
from tests.interop import (
    test_dcutr,
    test_kad_hops,
    test_perf_harness,
    test_relay_client,
    test_relay_server,
    test_rendezvous,
    test_shinkai_head,
    test_shinkai_relay,
    test_shinkai_seed,
    test_topic_discovery,
    test_transport_harness,
)
from tests.interop.harness import Peers
from tests.nat import test_autonat as nat_autonat
from tests.nat import test_hole_punch_harness as nat_harness
from tests.nat import test_hole_punching as nat_punching
from tests.nat import test_mdns as nat_mdns
from tests.nat.punching import placed, relayed_listener, relaying
from tests.services.autonat import test_client as autonat_client
from tests.services.rendezvous import test_client as rendezvous_client
from tests.shinkai.network import test_manager as shinkai_manager

__all__ = ["ROWS", "Check", "NoSuchPair", "NotTried"]

Check = Callable[[Peers, str, str], Awaitable[None]]
Pair = tuple[str, str]

US, GO, RUST = "p2pstack", "go", "rust"


class NoSuchPair(Exception):
    """There are no two programs, or no network, for a cell."""


class NotTried(Exception):
    """What a cell needs is missing on this machine."""


def only(checks: Mapping[Pair, Callable[[Peers], Awaitable[None]]]) -> Check:
    """A row that has a check of its own for each pair, (dialer, listener), and none for others."""

    async def check(peers: Peers, dialer: str, listener: str) -> None:
        if (dialer, listener) not in checks:
            raise NoSuchPair
        await checks[dialer, listener](peers)

    return check


def pairs_of(check: Check, *pairs: Pair) -> Check:
    """A row that is tried with these pairs alone."""
    return only({(dialer, listener): partial(_swapped, check, dialer, listener) for dialer, listener in pairs})


async def _swapped(check: Check, dialer: str, listener: str, peers: Peers) -> None:
    await check(peers, dialer, listener)


def behind(relay: str) -> Check:
    """A peer that listens behind the relay of another kind is dialled."""

    async def check(peers: Peers, dialer: str, listener: str) -> None:
        _loopback(relay, listener)
        if dialer == US:
            await test_relay_client.test_we_dial_them_through_a_relay(peers, relay, listener)
        else:
            await test_relay_client.test_they_dial_us_through_a_relay(peers, relay, dialer)

    return check


def punched(relay: str) -> Check:
    """A relayed connection becomes a direct one, where no NAT is on the way."""

    async def check(peers: Peers, dialer: str, listener: str) -> None:
        _loopback(relay, listener)
        await test_dcutr.test_a_relayed_connection_becomes_a_direct_one(peers, relay, listener, dialer)

    return check


def _loopback(relay: str, listener: str) -> None:
    """Leave out rust behind go: go's relay tells no loopback address, and rust's client wants one."""
    if (relay, listener) == (GO, RUST):
        raise NoSuchPair


def through_nats(test: Callable[..., Awaitable[None]], **options: Any) -> Check:
    """A test of tests/nat that makes its own network."""

    async def check(peers: Peers, dialer: str, listener: str) -> None:
        require_namespaces()
        await test(build=Topology, peers=peers, dialer=dialer, listener=listener, **options)

    return check


def hole(relay: str) -> Check:
    """Two routers that keep the port, and a relay between them."""

    async def check(peers: Peers, dialer: str, listener: str) -> None:
        require_namespaces()
        with Topology(nat_punching.DELAY_MS) as net:
            place = placed(net, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
            async with (
                relaying(peers, relay, place.relay) as middle,
                relayed_listener(peers, listener, place.listener, middle) as (_, circuits),
            ):
                await nat_punching.punches(peers, [], place, dialer, circuits[0], "")

    return check


async def one_side_public(peers: Peers, dialer: str, listener: str) -> None:
    """Only the listener, then only the dialer, has a public address."""
    require_namespaces()
    with Topology(nat_punching.DELAY_MS) as net:
        for public in ("listener", "dialer"):
            place = nat_punching.half_public(net, public, Nat.PORT_PRESERVING)
            await nat_punching.connects(peers, place, dialer, listener)


async def symmetric(peers: Peers, dialer: str, listener: str) -> None:
    """The dialer's router takes a random port for each connection."""
    require_namespaces()
    with Topology(nat_punching.DELAY_MS) as net:
        place = placed(net, Nat.PORT_PRESERVING, Nat.SYMMETRIC)
        await nat_punching.stays_relayed(peers, place, dialer, listener)


def require_namespaces() -> None:
    reason = missing()
    if reason is not None:
        raise NotTried(reason)


async def we_are_public(kind: str, flag: str, peers: Peers) -> None:
    """A server of another kind tells us."""
    require_namespaces()
    await nat_autonat.test_a_host_on_the_public_net_is_public(Topology, peers, kind, flag)


async def go_is_public(peers: Peers) -> None:
    """We tell go, by both versions."""
    require_namespaces()
    await nat_autonat.test_go_finds_out_through_us_that_it_is_public(Topology, peers, GO)


async def rust_is_public(peers: Peers) -> None:
    """We tell rust, which has version 1 alone."""
    require_namespaces()
    await nat_autonat.test_rust_finds_out_through_us_that_it_is_public(Topology, peers, RUST)


async def we_alone(protocol: str, _: Peers) -> None:
    """Two servers of ours tell a client of ours, by one version."""
    await autonat_client.test_a_host_that_can_be_dialled_is_public(protocol)


async def mdns(peers: Peers, dialer: str, listener: str) -> None:
    """Where no interface but the loopback is; ours among themselves on two machines of a LAN."""
    require_namespaces()
    if dialer == listener:
        await nat_mdns.test_two_machines_of_a_lan_find_each_other_with_no_address_given(Topology, peers)
    else:
        other = listener if dialer == US else dialer
        await nat_mdns.test_ours_and_others_find_each_other(Topology, peers, other, ours_is_first=listener == US)


async def rust_at_our_point(peers: Peers) -> None:
    """Rust registers, is refused, and finds us page by page."""
    await test_rendezvous.test_rust_registers_with_us_and_is_found(peers, RUST)
    await test_rendezvous.test_rust_understands_our_refusal(peers, RUST)
    await test_rendezvous.test_rust_finds_us_at_our_point_and_goes_on_with_our_cookie(
        peers, RUST, ("--namespace", "app")
    )


async def we_at_rusts_point(peers: Peers) -> None:
    """We register, are refused, find others and leave."""
    await test_rendezvous.test_we_register_discover_and_unregister_at_rust_s_point(peers, RUST)
    await test_rendezvous.test_rust_s_refusal_is_understood(peers, RUST)
    await test_rendezvous.test_rust_and_we_meet_at_rust_s_point(peers, RUST)


async def we_at_our_point(_: Peers) -> None:
    """Hosts of ours at a point of ours."""
    await rendezvous_client.test_peers_find_and_reach_each_other()


def by_topic(entrance: str) -> Check:
    """The dialer finds the listener, and both publish; a DHT server of this kind is all that they know."""

    async def check(peers: Peers, dialer: str, listener: str) -> None:
        await test_topic_discovery.test_who_comes_finds_who_is_there(peers, entrance, dialer, listener)

    return check


async def perf_harness(peers: Peers, dialer: str, listener: str) -> None:
    """Our client at any server, or any client at our server."""
    if dialer == US:
        await test_perf_harness.test_our_client_measures_a_server_of_any_id(peers, listener)
    else:
        await test_perf_harness.test_a_client_measures_our_server(peers, dialer)


def in_a_folder(test: Callable[..., Awaitable[None]], **options: Any) -> Callable[[Peers], Awaitable[None]]:
    """A test that writes files."""

    async def check(peers: Peers) -> None:
        with tempfile.TemporaryDirectory() as folder:
            await test(tmp_path=Path(folder), **({"peers": peers, **options} if options else {}))

    return check


def with_rust(test: Callable[..., Awaitable[None]]) -> Callable[[Peers], Awaitable[None]]:
    """A test with the Rust peer."""

    async def check(peers: Peers) -> None:
        await test(peers, kind=RUST)

    return check


WITH_GO = ((US, US), (US, GO), (GO, US))
"""The pairs that have the official clients, and pubsub's search of peers by a DHT; the Rust peer has none of it."""

ROWS: list[tuple[str, Check]] = [
    ("through our relay: `ping`", test_relay_server.test_any_client_reaches_any_other),
    ("through our relay: `echo`, 2 streams of 1 MB", test_relay_server.test_bytes_pass_whole),
    ("through our relay: cut at its limit, then as before", test_relay_server.test_a_circuit_ends_at_its_limit),
    ("through go's relay: `ping`, `identify`, `echo`", behind(GO)),
    ("through rust's relay: `ping`, `identify`, `echo`", behind(RUST)),
    ("DCUtR without a NAT, behind our relay", punched(US)),
    ("DCUtR without a NAT, behind go's relay", punched(GO)),
    ("DCUtR without a NAT, behind rust's relay", punched(RUST)),
    *(
        (f"two NATs that keep the port, {whose} relay: a direct connection", hole(relay))
        for relay, whose in ((US, "our"), (GO, "go's"), (RUST, "rust's"))
    ),
    (
        "two NATs that refuse, packets cross: a direct connection",
        through_nats(nat_punching.test_packets_that_cross_pass_routers_that_refuse),
    ),
    ("one side public, either: a direct connection", one_side_public),
    ("the dialer's NAT symmetric: it stays relayed, and works", symmetric),
    (
        "AutoNAT 1: the dialer asks, and learns that it is public",
        only({
            (US, GO): partial(we_are_public, GO, "--autonat-v1"), (US, RUST): partial(we_are_public, RUST, "--autonat"),
            (GO, US): go_is_public, (RUST, US): rust_is_public, (US, US): partial(we_alone, V1),
        }),
    ),
    (
        "AutoNAT 2: the dialer asks, and learns that it is public",
        only({
            (US, GO): partial(we_are_public, GO, "--autonat"), (GO, US): go_is_public,
            (US, US): partial(we_alone, DIAL_REQUEST),
        }),
    ),
    ("mDNS: each finds the other, the listener is there first", mdns),
    ("DHT: `find-peer`, `closest`, three hops away", test_kad_hops.test_find_peer_and_closest),
    ("DHT: `put`, `get`, three hops away", test_kad_hops.test_put_and_get),
    ("DHT: `provide`, `find-providers`, three hops away", test_kad_hops.test_provide_and_find_providers),
    (
        "rendezvous: the dialer at the listener's point",
        only({(US, RUST): we_at_rusts_point, (RUST, US): rust_at_our_point, (US, US): we_at_our_point}),
    ),
    ("gossipsub finds its peers by a DHT, our server", pairs_of(by_topic(US), *WITH_GO)),
    ("gossipsub finds its peers by a DHT, go's server", pairs_of(by_topic(GO), *WITH_GO)),
    (
        "official client `transport-interop`",
        pairs_of(test_transport_harness.test_a_dialer_pings_a_listener, *WITH_GO),
    ),
    (
        "official client `hole-punch-interop`, rust's relay",
        pairs_of(
            through_nats(nat_harness.test_the_dialer_tells_the_round_trip_through_the_hole, relay=RUST), *WITH_GO
        ),
    ),
    ("official client `perf-interop`", perf_harness),
    (
        "Shinkai today: requests and their answers",
        only({
            (US, RUST): in_a_folder(test_shinkai_head.test_a_request_of_ours_is_answered_by_theirs, kind=RUST),
            (RUST, US): in_a_folder(
                test_shinkai_head.test_a_request_of_theirs_is_a_job_and_the_ack_its_answer, kind=RUST
            ),
            (US, US): in_a_folder(shinkai_manager.test_head_a_request_becomes_a_job_and_is_answered),
        }),
    ),
    (
        "Shinkai, seed era: messages by gossip, both ways",
        only({
            (US, RUST): in_a_folder(
                test_shinkai_seed.test_messages_go_both_ways_twice_and_make_one_job, kind=RUST, we_dial=True
            ),
            (RUST, US): in_a_folder(
                test_shinkai_seed.test_messages_go_both_ways_twice_and_make_one_job, kind=RUST, we_dial=False
            ),
            (US, US): in_a_folder(shinkai_manager.test_seed_a_message_is_published_twice_and_makes_one_job),
        }),
    ),
    (
        "Shinkai: our relay forwards by name",
        only({
            (US, RUST): with_rust(test_shinkai_relay.test_a_message_of_ours_reaches_theirs_and_the_ack_comes_back),
            (RUST, US): with_rust(test_shinkai_relay.test_a_message_of_theirs_reaches_ours_and_the_ack_goes_back),
        }),
    ),
    (
        "Shinkai: by a circuit through rust's relay",
        only({
            (US, US): with_rust(test_shinkai_relay.test_ours_reserves_with_theirs_and_messages_pass_it),
            (RUST, US): with_rust(test_shinkai_relay.test_theirs_reaches_ours_behind_theirs),
        }),
    ),
]  # fmt: skip
"""Name and check of each row; empty cells raise NoSuchPair."""
