from __future__ import annotations

import asyncio
import socket

import dns.asyncresolver
import dns.exception
import pytest

from p2pstack.errors import DialError
from p2pstack.host.config import DialConfig
from p2pstack.host.resolver import Resolver, SystemNames
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from tests.aio.shell import until

A, B = (PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in range(2))
HOSTS = {"both.example": ["192.0.2.1", "2001:db8::1"], "odd.example": ["fe80::1%eth0", "nonsense", "192.0.2.1"]}


class Names:
    """A name service of a dictionary. It notes what it was asked."""

    def __init__(self, texts: dict[str, list[str]] | None = None) -> None:
        self.records = texts or {}
        self.asked: list[str] = []
        self.silent = asyncio.Event()

    async def addresses(self, name: str, family: int) -> list[str]:
        self.asked.append(name)
        if name == "slow.example":
            await self.silent.wait()
        if name not in HOSTS:
            raise OSError("no such name")
        kinds = {socket.AF_INET: (False,), socket.AF_INET6: (True,), socket.AF_UNSPEC: (False, True)}[
            socket.AddressFamily(family)
        ]
        return [host for host in HOSTS[name] if (":" in host) in kinds]

    async def texts(self, name: str) -> list[str]:
        self.asked.append(name)
        await asyncio.sleep(0)
        if name not in self.records:
            raise OSError("no such name")
        return self.records[name]


async def resolve(address: str, names: Names, **options: float) -> list[str]:
    resolver = Resolver(DialConfig(**options), names)  # type: ignore[arg-type]
    return [str(found) for found in await resolver.resolve(parse(address))]


@pytest.mark.req("TCP-01")
async def test_an_address_without_a_name_is_itself() -> None:
    names = Names()
    for address in ("/ip4/192.0.2.1/tcp/1", "/ip6/::1/tcp/1/ws", f"/p2p/{A}"):
        assert await resolve(address, names) == [str(parse(address))]
    assert names.asked == []


@pytest.mark.req("TCP-01")
@pytest.mark.parametrize(
    ("kind", "prefixes"),
    [
        ("dns", ["/ip4/192.0.2.1", "/ip6/2001:db8::1"]),
        ("dns4", ["/ip4/192.0.2.1"]),
        ("dns6", ["/ip6/2001:db8::1"]),
    ],
)
@pytest.mark.parametrize("rest", ["", "/tcp/4001", f"/tcp/4001/p2p/{A}", "/tcp/443/wss"])
async def test_a_name_stands_for_its_addresses_of_the_family(kind: str, prefixes: list[str], rest: str) -> None:
    assert await resolve(f"/{kind}/both.example{rest}", Names()) == [prefix + rest for prefix in prefixes]


@pytest.mark.req("TCP-01")
async def test_answers_that_no_address_can_hold_are_left_out() -> None:
    assert await resolve("/dns/odd.example/tcp/1", Names()) == ["/ip4/192.0.2.1/tcp/1"]


@pytest.mark.req("TCP-01")
async def test_a_dnsaddr_stands_for_what_its_records_say() -> None:
    names = Names(
        {
            "_dnsaddr.boot.example": [
                f"dnsaddr=/ip4/192.0.2.9/tcp/1/p2p/{A}",
                f"dnsaddr=/dnsaddr/next.example/p2p/{B}",
                "dnsaddr=/dns4/both.example/tcp/2",
            ],
            "_dnsaddr.next.example": [f"dnsaddr=/ip6/::1/tcp/3/p2p/{B}", f"dnsaddr=/ip6/::1/tcp/4/p2p/{A}"],
        }
    )
    assert await resolve("/dnsaddr/boot.example", names) == [
        f"/ip4/192.0.2.9/tcp/1/p2p/{A}",
        f"/ip6/::1/tcp/3/p2p/{B}",
        "/ip4/192.0.2.1/tcp/2",
    ]


@pytest.mark.req("TCP-01")
async def test_a_dnsaddr_with_a_peer_means_the_records_of_that_peer() -> None:
    records = [f"dnsaddr=/ip4/192.0.2.1/tcp/1/p2p/{A}", f"dnsaddr=/ip4/192.0.2.2/tcp/1/p2p/{B}"]
    names = Names({"_dnsaddr.boot.example": [*records, "dnsaddr=/ip4/192.0.2.3/tcp/1"]})
    assert await resolve(f"/dnsaddr/boot.example/p2p/{B}", names) == [f"/ip4/192.0.2.2/tcp/1/p2p/{B}"]


@pytest.mark.req("TCP-01")
async def test_garbage_in_records_is_skipped() -> None:
    garbage = [
        "",
        "v=spf1 -all",
        "dnsaddr=",
        "dnsaddr=nonsense",
        "dnsaddr=/ip4/999.1.1.1/tcp/1",
        "DNSADDR=/ip4/1.2.3.4",
    ]
    names = Names({"_dnsaddr.boot.example": [*garbage, "\ufffd" * 500, "dnsaddr=/ip4/192.0.2.1/tcp/1"]})
    assert await resolve("/dnsaddr/boot.example", names) == ["/ip4/192.0.2.1/tcp/1"]


@pytest.mark.req("TCP-01")
async def test_one_record_that_leads_nowhere_does_not_spoil_the_others() -> None:
    records = [
        "dnsaddr=/dns4/unknown.example/tcp/1",
        "dnsaddr=/dnsaddr/unknown.example",
        "dnsaddr=/ip4/192.0.2.1/tcp/1",
    ]
    assert await resolve("/dnsaddr/boot.example", Names({"_dnsaddr.boot.example": records})) == ["/ip4/192.0.2.1/tcp/1"]


@pytest.mark.req("TCP-01")
async def test_when_all_records_lead_nowhere_the_error_says_so() -> None:
    names = Names({"_dnsaddr.boot.example": ["dnsaddr=/dns4/unknown.example/tcp/1"] * 2})
    with pytest.raises(DialError, match="does not resolve: no such name"):
        await resolve("/dnsaddr/boot.example", names)


@pytest.mark.req("TCP-01", "GEN-04")
async def test_names_that_lead_in_circles_are_given_up() -> None:
    names = Names(
        {"_dnsaddr.a.example": ["dnsaddr=/dnsaddr/b.example"], "_dnsaddr.b.example": ["dnsaddr=/dnsaddr/a.example"]}
    )
    with pytest.raises(DialError, match="leads to no usable address"):
        await resolve("/dnsaddr/a.example", names, dns_depth=8)
    assert len(names.asked) == 8


@pytest.mark.req("TCP-01", "GEN-04")
async def test_names_that_branch_without_end_are_given_up() -> None:
    names = Names({"_dnsaddr.a.example": ["dnsaddr=/dnsaddr/a.example"] * 100})
    with pytest.raises(DialError, match="leads to no usable address"):
        await resolve("/dnsaddr/a.example", names)
    assert len(names.asked) <= 100


@pytest.mark.req("TCP-01", "GEN-04")
async def test_only_so_many_results_are_taken() -> None:
    records = [f"dnsaddr=/ip4/192.0.2.{number}/tcp/1" for number in range(200)]
    names = Names(
        {
            "_dnsaddr.many.example": records,
            "_dnsaddr.more.example": ["dnsaddr=/dnsaddr/many.example", "dnsaddr=/dnsaddr/many.example"],
        }
    )
    assert len(await resolve("/dnsaddr/many.example", names)) == 100
    names.asked.clear()
    assert len(await resolve("/dnsaddr/more.example", names)) == 100
    assert len(names.asked) == 2, "it asks no further once it has enough"


@pytest.mark.req("TCP-01")
@pytest.mark.parametrize("address", ["/dns4/unknown.example/tcp/1", "/dnsaddr/unknown.example"])
async def test_an_unknown_name_is_a_dial_error_that_says_so(address: str) -> None:
    with pytest.raises(DialError, match=r"unknown\.example.*does not resolve: no such name"):
        await resolve(address, Names())


@pytest.mark.req("TCP-01")
async def test_a_name_without_an_address_of_the_family() -> None:
    with pytest.raises(DialError, match="leads to no usable address"):
        await resolve("/dns6/odd.example/tcp/1", Names())


@pytest.mark.req("TCP-01", "GEN-03")
async def test_a_name_that_takes_too_long() -> None:
    with pytest.raises(DialError, match="took too long"):
        await resolve("/dns4/slow.example/tcp/1", Names(), dns_timeout=0.01)


async def test_cancelling_is_not_taken_for_a_timeout() -> None:
    names = Names()
    resolving = asyncio.create_task(resolve("/dns4/slow.example/tcp/1", names))
    await until(lambda: names.asked)
    resolving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await resolving


@pytest.mark.req("TCP-01")
async def test_the_system_knows_localhost() -> None:
    assert "127.0.0.1" in await SystemNames(5.0).addresses("localhost", socket.AF_INET)


@pytest.mark.req("TCP-01")
async def test_what_can_be_no_name_is_an_unknown_one() -> None:
    with pytest.raises(OSError, match="no name"):
        await SystemNames(5.0).addresses("a" * 64 + ".example", socket.AF_INET)


class Record:
    def __init__(self, *strings: bytes) -> None:
        self.strings = strings


@pytest.mark.req("TCP-01")
async def test_texts_come_from_the_system_s_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, float]] = []

    async def answer(name: str, kind: str, *, lifetime: float) -> list[Record]:
        asked.append((name, kind, lifetime))
        return [Record(b"dnsaddr=/ip4/", b"192.0.2.1"), Record(b"\xff")]

    monkeypatch.setattr(dns.asyncresolver, "resolve", answer)
    assert await SystemNames(3.0).texts("_dnsaddr.boot.example") == ["dnsaddr=/ip4/192.0.2.1", "\ufffd"]
    assert asked == [("_dnsaddr.boot.example", "TXT", 3.0)]


@pytest.mark.req("TCP-01")
async def test_a_name_without_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(name: str, kind: str, *, lifetime: float) -> list[Record]:
        raise dns.exception.Timeout

    monkeypatch.setattr(dns.asyncresolver, "resolve", answer)
    resolver = Resolver(DialConfig())
    with pytest.raises(DialError, match=r"no TXT record of _dnsaddr\.boot\.example"):
        await resolver.resolve(parse("/dnsaddr/boot.example"))
