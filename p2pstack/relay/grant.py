"""What a relay has granted, once it is checked: until when, where peers find us, within which limits (RELAY-11)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.circuits import circuit_address, is_circuit
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.messages import Limit, Reservation
from p2pstack.relay.voucher import open_voucher

__all__ = ["Grant", "check_reservation", "ways_through"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A reservation that holds until ``expires`` (Unix time in seconds).

    Peers find us at ``addresses``, which end in ``/p2p/RELAY/p2p-circuit``; ``limit`` is what a circuit may take.
    """

    expires: int
    addresses: tuple[Multiaddr, ...]
    limit: Limit


def check_reservation(
    reservation: Reservation | None,
    limit: Limit | None,
    *,
    relay: PeerId,
    peer: PeerId,
    reached: Sequence[Multiaddr],
    now_unix: float,
    min_lifetime: float,
    max_addresses: int,
) -> Grant:
    """Return what ``relay`` has granted ``peer``.

    ``reached`` is where the relay was reached, if known: an address that works comes first, whatever the relay says of
    itself (RELAY-13). A reservation of less than ``min_lifetime`` seconds is none.

    Raises:
        DecodeError: there is no reservation, or an expired one (RELAY-11), a bad voucher (RELAY-08), or no address.
    """
    if reservation is None:
        raise DecodeError("the relay grants a reservation without saying which", requirement="RELAY-11")
    left = reservation.expires - now_unix
    if left <= 0:
        ago = now_unix - reservation.expires
        raise DecodeError(f"the reservation expired {ago:.0f} s ago, by our clock", requirement="RELAY-11")
    if left < min_lifetime:
        raise DecodeError(f"a reservation of {left:g} s is of no use", requirement="RELAY-11")
    if reservation.voucher is not None:
        open_voucher(reservation.voucher, relay=relay, peer=peer, now_unix=now_unix)
    addresses = ways_through(relay, [*reached, *reservation.addresses])[:max_addresses]
    if not addresses:
        raise DecodeError("the relay does not say where it is", requirement="RELAY-13")
    return Grant(reservation.expires, addresses, limit or Limit())


def ways_through(relay: PeerId, addresses: Iterable[Multiaddr]) -> tuple[Multiaddr, ...]:
    """Return the addresses of what is behind ``relay``, given its own; those of others and of relays are left out."""
    found: dict[Multiaddr, None] = {}
    for address in addresses:
        if is_circuit(address):
            continue
        try:
            found[circuit_address(address, relay)] = None
        except ConfigError:
            continue
    return tuple(found)
