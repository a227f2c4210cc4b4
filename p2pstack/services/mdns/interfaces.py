"""The interfaces of this machine, as mDNS needs them (MDNS-08)."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

import psutil

from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.segment import Ip, Network, Segment

__all__ = ["Interface", "choose", "interfaces", "segments"]

_VERSIONS = {socket.AF_INET: 4, socket.AF_INET6: 6}


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface that is up: its name and number, its addresses and their networks."""

    name: str
    index: int
    own: tuple[Ip, ...]
    networks: tuple[Network, ...]
    loopback: bool
    multicast: bool


def interfaces() -> list[Interface]:
    """Return the interfaces that are up and have addresses."""
    states = psutil.net_if_stats()
    found = []
    for name, entries in psutil.net_if_addrs().items():
        state = states.get(name)
        own, networks = _addresses(entries)
        if state is None or not state.isup or not own:
            continue
        try:
            index = socket.if_nametoindex(name)
        except OSError:
            continue  # it has gone meanwhile
        flags = getattr(state, "flags", "").split(",")
        loopback = all(address.is_loopback for address in own) or "loopback" in flags
        found.append(Interface(name, index, own, networks, loopback, multicast=flags == [""] or "multicast" in flags))
    return found


def _addresses(entries: Iterable[Any]) -> tuple[tuple[Ip, ...], tuple[Network, ...]]:
    """Return the addresses of an interface, and the networks that they lie in."""
    own, networks = [], []
    for entry in entries:
        if entry.family not in _VERSIONS:
            continue
        address = ip_address(entry.address.partition("%")[0])
        own.append(address)
        networks.append(ip_interface(f"{address}/{_prefix(entry.netmask, address)}").network)
    return tuple(own), tuple(dict.fromkeys(networks))


def _prefix(netmask: str | None, address: Ip) -> int:
    """Return the bits of a network; where the system does not tell its mask, the address is all of it."""
    return address.max_prefixlen if netmask is None else int(ip_address(netmask)).bit_count()


def choose(found: Iterable[Interface], config: MdnsConfig) -> list[Interface]:
    """Return the interfaces to speak on: those that the configuration names, or what suits."""
    every = list(found)
    if config.interfaces is not None:
        chosen = [each for each in every if each.name in config.interfaces]
    else:
        chosen = [each for each in every if each.multicast and not each.loopback]
        chosen = chosen or [each for each in every if each.loopback]
    return chosen[: config.max_interfaces]


def segments(found: Iterable[Interface], config: MdnsConfig) -> list[Segment]:
    """Return where to speak: each interface by the versions of IP that it has an address of."""
    wanted = [version for version, use in ((4, config.ipv4), (6, config.ipv6)) if use]
    return [
        Segment(each.name, each.index, version, frozenset(each.own), each.networks)
        for each in found
        for version in wanted
        if any(address.version == version for address in each.own)
    ]
