"""The addresses on both ends of a relayed connection, as far as the network that the relay is in allows (DCUTR-05)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from p2pstack.aio.connection import Connection
from p2pstack.dcutr.candidates import dialable, offered, parsed
from p2pstack.dcutr.config import DcutrConfig
from p2pstack.errors import LocalError
from p2pstack.identity.circuits import split_circuit
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.services.scope import Scope, scope_of, suitable
from p2pstack.services.standard import Host

__all__ = ["choose", "own_addresses", "relay_scope", "told_addresses"]


def relay_scope(host: Host, relayed: Connection) -> Scope:
    """Return where the relay is: its network is the one that both peers can reach."""
    assert relayed.circuit is not None
    circuit = split_circuit(relayed.circuit)
    where = circuit.relay_address
    if where is None:
        connection = host.network.best(circuit.relay)
        where = connection.remote_address if connection is not None else None
    return scope_of(where) if where is not None else Scope.PUBLIC


def own_addresses(host: Host, relayed: Connection, config: DcutrConfig) -> list[Multiaddr]:
    """Return where the peer is told to dial this host: where others see it, what it advertises, where it listens.

    Raises:
        LocalError: nothing of that is of use to the peer.
    """
    addresses = [*host.identify.candidates(), *host.advertised, *host.addresses]
    own = offered(addresses, partial(suitable, scope=relay_scope(host, relayed)), config)
    if not own:
        raise LocalError("this host has no address that the peer could dial")
    return own


def told_addresses(
    host: Host, relayed: Connection, addresses: Iterable[Multiaddr], config: DcutrConfig
) -> list[Multiaddr]:
    """Return which of the ``addresses`` of the peer's choice are dialled."""
    own = {*host.identify.candidates(), *host.addresses}
    keep = partial(suitable, scope=relay_scope(host, relayed))
    return dialable(addresses, relayed.peer_id, keep, config, own)


def choose(host: Host, relayed: Connection, config: DcutrConfig, encoded: Sequence[bytes]) -> list[Multiaddr]:
    """The same for the addresses in a CONNECT."""
    return told_addresses(host, relayed, parsed(encoded), config)
