"""Where peers see this host: believed only when enough of them, far from one another, agree (IDN-07). Pure.

A peer can report any address. Somebody who runs many nodes in one network could have us advertise a victim's address,
so reports are counted by the group that the observer is in: one IPv4 address, or one IPv6 /56, as in go. What
counts is connections that others made to us, and those that we made from the port that we listen on: their end is
where we can be dialled. That of another one that we made has a port that nobody listens on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from ipaddress import IPv6Network, ip_address

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, is_public, tcp_endpoint
from p2pstack.services.scope import Scope, scope_of

__all__ = ["ObservedAddresses", "observer_group"]

_IPV6_GROUP_BITS = 56


def observer_group(remote: Multiaddr) -> str | None:
    """Return the group of an observer by its address; None where it has none that counts: only public ones do."""
    if scope_of(remote) is not Scope.PUBLIC:
        return None
    try:
        ip = ip_address(tcp_endpoint(remote).host)
    except ValueError:
        return None
    return str(ip) if ip.version == 4 else str(IPv6Network((int(ip), _IPV6_GROUP_BITS), strict=False))


class ObservedAddresses:
    """The reports of live connections, at most ``max_observations``, and what follows from them.

    An address is believed once ``confirmations`` groups report it, and until less than half as many do. Connections
    are any hashable marks.
    """

    def __init__(self, *, confirmations: int, max_confirmed: int, max_observations: int) -> None:
        self._confirmations = confirmations
        self._max_confirmed = max_confirmed
        self._max_observations = max_observations
        self._reports: dict[Hashable, tuple[Multiaddr, str]] = {}
        self._believed: set[Multiaddr] = set()
        self.confirmed: tuple[Multiaddr, ...] = ()

    def __len__(self) -> int:
        return len(self._reports)

    def report(self, connection: Hashable, observed: Multiaddr, remote: Multiaddr) -> bool:
        """Take the report that the peer at ``remote`` sees us at ``observed``; whether ``confirmed`` has changed.

        A later report on the same connection replaces the earlier one.
        """
        group = observer_group(remote)
        if group is None or not _dialable(observed):
            return self.forget(connection)
        self._reports.pop(connection, None)
        self._reports[connection] = (observed, group)
        if len(self._reports) > self._max_observations:
            del self._reports[next(iter(self._reports))]
        return self._weigh()

    def forget(self, connection: Hashable) -> bool:
        """Drop the report of a connection that has ended; whether ``confirmed`` has changed."""
        return self._reports.pop(connection, None) is not None and self._weigh()

    def reported(self) -> list[Multiaddr]:
        """Return at most ``max_confirmed`` reported addresses, believed or not, those of most groups first."""
        groups = self._groups()
        return sorted(groups, key=lambda each: (-len(groups[each]), each.to_bytes()))[: self._max_confirmed]

    def _groups(self) -> dict[Multiaddr, set[str]]:
        groups: defaultdict[Multiaddr, set[str]] = defaultdict(set)
        for observed, group in self._reports.values():
            groups[observed].add(group)
        return groups

    def _weigh(self) -> bool:
        """Count the groups behind each address, and choose those to believe."""
        groups = self._groups()
        enough = self._confirmations
        self._believed = {
            address
            for address, seen_by in groups.items()
            if len(seen_by) >= enough or (address in self._believed and len(seen_by) * 2 >= enough)
        }
        best = sorted(self._believed, key=lambda address: (-len(groups[address]), address.to_bytes()))
        confirmed = tuple(best[: self._max_confirmed])
        changed = confirmed != self.confirmed
        self.confirmed = confirmed
        return changed


def _dialable(observed: Multiaddr) -> bool:
    """Whether an observed address could be dialled by anybody: public, plain TCP, an IP address."""
    try:
        endpoint = tcp_endpoint(observed)
    except DecodeError:
        return False
    return endpoint.kind in {"ip4", "ip6"} and endpoint.port > 0 and is_public(observed)
