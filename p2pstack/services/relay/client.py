"""The relay client: reaching peers behind a relay, and being reached behind one (specs/relay.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import ConfigError, HostClosed, LocalError
from p2pstack.host.host import BaseHost
from p2pstack.identity.circuits import circuit_address, is_circuit, split_circuit
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.protocols import STOP
from p2pstack.services.life import HostService
from p2pstack.services.relay.client_config import RelayClientConfig
from p2pstack.services.relay.hop import Hops
from p2pstack.services.relay.reservation import RelayReservation
from p2pstack.services.relay.stop import StopHandler

__all__ = ["RelayClient"]

_SOURCE = "relay"
"""As who the client advertises addresses."""


class RelayClient(HostService):
    """Circuit relay v2, the client's side. A host has one; it then dials and listens on ``/…/p2p/RELAY/p2p-circuit``.

    Make it before the host is started, which starts and ends it then; or use it with ``async with``, at any time::

        async with Host() as host, RelayClient(host) as client:
            reservation = await client.reserve("/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…")
            print(host.full_addresses)
    """

    _label = "the relay client"

    def __init__(self, host: BaseHost, *, config: RelayClientConfig | None = None) -> None:
        if host.circuits is not None:
            raise LocalError("the host has a relay client already")
        self.config = config or RelayClientConfig()
        self.host = host
        self._hops = Hops(host)
        self._reservations: dict[PeerId, RelayReservation] = {}
        handler = StopHandler(host, self.config, self._way)
        # On one connection as many streams more may be open whose relay has not said yet who is there.
        host.handle(STOP, handler.serve, max_streams=2 * self.config.max_circuits)
        host.circuits = self
        super().__init__(host)

    # -- life

    async def _begin(self) -> None:
        """Nothing to do: what is needed begins with the first reservation."""

    async def _end(self) -> None:
        """Give all reservations back.

        Connections that passed a relay already go on.
        """
        host = self.host
        host.unhandle(STOP)
        host.circuits = None
        await asyncio.gather(*(self.release(relay) for relay in list(self._reservations)))

    # -- what programs do

    async def reserve(
        self, relay: PeerId | Multiaddr | str, addresses: Sequence[Multiaddr | str] = ()
    ) -> RelayReservation:
        """Have ``relay`` pass connections on to us, from now on until :meth:`release`; return once it does.

        ``relay`` is a peer id, or an address with ``/p2p`` at its end. The reservation is renewed in time, and made
        anew after a loss, of which events tell; its addresses are advertised meanwhile. There is one for each relay:
        who asks for it again gets the same.

        Raises:
            RelayRefused: the relay says no.
            ProtocolViolation: what it grants is no good (RELAY-08, RELAY-11).
            ProtocolNotSupported: it is no relay.
            DialError: it can't be reached.
            DeadlineExceeded: it took longer than ``timeout`` of the configuration.
            HostClosed: the client was stopped.
        """
        if self._stopped is not None:
            raise HostClosed("the relay client was stopped")
        peer, known = _read(relay, addresses)
        if peer == self.host.peer_id:
            raise LocalError("a host is no relay of its own")
        reservation = self._reservations.get(peer)
        if reservation is None:
            reservation = RelayReservation(self.host, self._hops, self.config, peer, self._advertise)
            self._reservations[peer] = reservation
        reservation.learn(known)
        try:
            await reservation.ready()
        except BaseException:
            # One that was never made is of no use to anybody once nobody waits for it.
            if not reservation.made and not reservation.awaited:
                await self._drop(reservation)
            raise
        return reservation

    async def release(self, relay: PeerId) -> None:
        """Give the reservation with ``relay`` back, if there is one: peers are not told of it any more."""
        reservation = self._reservations.get(relay)
        if reservation is not None:
            await self._drop(reservation)

    async def _drop(self, reservation: RelayReservation) -> None:
        if self._reservations.get(reservation.relay) is reservation:
            del self._reservations[reservation.relay]
        await reservation.close()

    @property
    def reservations(self) -> list[RelayReservation]:
        """The reservations that are kept, the active ones and those that are being made anew."""
        return list(self._reservations.values())

    # -- what the host asks

    async def dial(self, address: Multiaddr, peer: PeerId, timeout: float) -> Connection:
        """Return a new connection to ``peer`` through the relay in ``address``; see :meth:`Hops.dial`.

        Raises:
            P2PError: the relay can't be reached, refuses, or leads to somebody else.
            DeadlineExceeded: it took longer than ``timeout`` seconds.
        """
        return await self._hops.dial(address, peer, timeout)

    async def listen(self, address: Multiaddr) -> list[Multiaddr]:
        """Reserve with the relay in ``address``; return where peers find us, as :meth:`reserve` does.

        Raises:
            P2PError: as :meth:`reserve`.
            LocalError: the address leads to somebody else.
        """
        relay, where, target = split_circuit(address)
        if target not in {None, self.host.peer_id}:
            raise LocalError(f"{address} leads to another peer than this host")
        reservation = await self.reserve(relay, (where,) if where is not None else ())
        return list(reservation.addresses)

    # -- what the parts ask

    def _way(self, stream: Stream) -> Multiaddr | None:
        """Return the address behind the relay that has opened ``stream``; None: it was not asked for connections.

        A relay that was just asked counts: its first connection may come with its answer.
        """
        reservation = self._reservations.get(stream.peer_id)
        if reservation is None:
            return None
        addresses = reservation.addresses
        return addresses[0] if addresses else circuit_address(stream.connection.remote_address, stream.peer_id)

    def _advertise(self) -> None:
        """Tell others all addresses that there are."""
        every = [address for each in self._reservations.values() for address in each.addresses]
        self.host.advertise(_SOURCE, every)


def _read(relay: PeerId | Multiaddr | str, addresses: Sequence[Multiaddr | str]) -> tuple[PeerId, list[Multiaddr]]:
    """Return the id and the addresses of a relay.

    Raises:
        ConfigError: no peer is named, or the relay is behind another one.
        DecodeError: something can't be read.
    """
    known = [parse(address) for address in addresses]
    if isinstance(relay, PeerId):
        return relay, known
    if isinstance(relay, str) and not relay.startswith("/"):
        return PeerId.from_string(relay), known
    address = parse(relay)
    peer = peer_id_of(address)
    if peer is None or is_circuit(address):
        raise ConfigError(f"{address} is no relay's: it has to end with /p2p and an id, without a relay before")
    return peer, [address, *known]
