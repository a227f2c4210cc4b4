"""One segment: when to ask, when to answer, what is too much (MDNS-03, MDNS-09; RFC 6762, 5.2 and 6)."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from p2pstack.mdns.advert import Advert, Wanted, asks_for_peers, query
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.names import Name
from p2pstack.mdns.packet import Packet

__all__ = ["Link"]

FIRST_QUERIES = 1.0
"""Seconds between the first query and the second; then twice as many each time."""

LAST_QUERIES = 60.0
"""Seconds between queries at last, as go's. Rust's records last 360 s."""

SPREAD = 0.25
"""Part of these by which a query may come later, so that nodes that began together do not go on so."""

LONGEST_SILENCE = 900.0
"""Seconds after which we ask though others do, or half of that by chance: somebody who asks us alone must not keep us
from asking for ever, and not all nodes must come to that end at the same time."""

ANSWER_INTERVAL = 1.0
"""Seconds between two answers: RFC 6762 allows a record once a second. Who asks meanwhile shares the next one."""

SOONEST, LATEST = 0.02, 0.12
"""Seconds after which a query is answered, by chance: all nodes have heard it at the same time."""

COUNTED = 512
"""Bytes of a packet that count as one against ``packet_rate``: what it takes to read a packet grows with its size."""

REPEATED = 1
"""Times that an announcement is sent again: it may have been lost."""


class Link:
    """What is said on one segment. Times are seconds; ``chance`` returns numbers of at least 0 and less than 1."""

    def __init__(self, service: Name, config: MdnsConfig, chance: Callable[[], float], now: float) -> None:
        self._service = service
        self._config = config
        self._chance = chance
        self._advert: Advert | None = None
        self._query_at = now
        self._query_number = 0
        self._interval = FIRST_QUERIES
        self._ask_by = now
        self._heard = False
        self._wanted = Wanted.NOTHING
        self._answer_at: float | None = None
        self._answer_number = 0
        self._answered = -ANSWER_INTERVAL + now
        self._announcements = 0
        self._room = float(config.packet_burst)
        self._room_at = now
        self.dropped = 0
        """Packets that were dropped unread, because there were too many."""

    def admit(self, size: int, now: float) -> bool:
        """Whether a packet of ``size`` bytes that comes at ``now`` may be read; a large one counts as several."""
        config = self._config
        self._room = min(float(config.packet_burst), self._room + (now - self._room_at) * config.packet_rate)
        self._room_at = now
        if self._room < 1:
            self.dropped += 1
            return False
        self._room -= max(1, ceil(size / COUNTED))
        return True

    def advertise(self, advert: Advert | None, now: float) -> list[bytes]:
        """Say this from now on, and say so unasked; None: say nothing. Returns what is to be sent to take all back."""
        if advert == self._advert:
            return []
        goodbye = self.goodbye() if advert is None else []
        self._advert = advert
        self._wanted, self._answer_at, self._announcements = Wanted.NOTHING, None, 0
        if advert is not None:
            self._announcements = REPEATED
            self._want(Wanted.PEERS, 0, now)
        return goodbye

    def goodbye(self) -> list[bytes]:
        """Return what is to be sent when we leave (MDNS-07)."""
        return [self._advert.answer(Wanted.PEERS, 0, leaving=True)] if self._advert is not None else []

    def receive_query(self, packet: Packet, now: float) -> None:
        """Answer a query later, if it asks for something of ours; our own one too, which comes back (MDNS-02)."""
        # The first two are asked in any case: what others were told before we came, we have not heard.
        begun = self._interval > 2 * FIRST_QUERIES
        others = packet.id != self._query_number and asks_for_peers(packet, self._service)
        if begun and others and self._heard:
            self._heard = False
            self._query_at = min(max(self._query_at, self._next_query(now)), self._ask_by)
        wanted = self._advert.wanted(packet) if self._advert is not None else Wanted.NOTHING
        if wanted:
            self._want(wanted, packet.id, now + SOONEST + (LATEST - SOONEST) * self._chance())

    def receive_answer(self) -> None:
        """Somebody else has answered: so queries of others do reach those that answer, and may stand for ours."""
        self._heard = True

    def next_timeout(self) -> float:
        """Return when :meth:`handle_timeout` is due."""
        return self._query_at if self._answer_at is None else min(self._query_at, self._answer_at)

    def handle_timeout(self, now: float) -> list[bytes]:
        """Return what is to be sent now."""
        packets = []
        if self._query_at <= now:
            self._query_number = 1 + int(self._chance() * 0xFFFF)
            self._query_at = self._next_query(now)
            self._ask_by = now + LONGEST_SILENCE * (1 - self._chance() / 2)
            packets.append(query(self._service, self._query_number))
        if self._answer_at is not None and self._answer_at <= now and self._advert is not None:
            packets.append(self._advert.answer(self._wanted, self._answer_number))
            self._answered, self._wanted, self._answer_at = now, Wanted.NOTHING, None
            if self._announcements > 0:
                self._announcements -= 1
                self._want(Wanted.PEERS, 0, now)
        return packets

    def _next_query(self, now: float) -> float:
        """Return when it is to be asked again, after a query at ``now``."""
        after = self._interval * (1 + SPREAD * self._chance())
        self._interval = min(2 * self._interval, LAST_QUERIES)
        return now + after

    def _want(self, wanted: Wanted, number: int, at: float) -> None:
        """Answer at ``at``, together with what is to be answered anyway, and not too soon after the last one."""
        if self._answer_at is None:
            self._answer_at = max(at, self._answered + ANSWER_INTERVAL)
        if not self._answer_number or not self._wanted:
            self._answer_number = number
        self._wanted |= wanted
