"""What a node has published itself, and when it is to be sent anew (KAD-06, KAD-15; specs/kad.md)."""

from __future__ import annotations

from p2pstack.errors import LimitExceeded

__all__ = ["Publications"]


class Publications:
    """Keys that are sent again every ``interval`` seconds, at most ``limit``. Times are seconds on one clock."""

    def __init__(self, interval: float, limit: int) -> None:
        self._interval = interval
        self._limit = limit
        # In the order of their times: each is put to the end when it is sent.
        self._due: dict[bytes, float] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._due

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: bytes, now: float) -> None:
        """Note that ``key`` is being sent now; it is due again an interval later.

        Raises:
            LimitExceeded: there are too many.
        """
        if key not in self._due and len(self._due) >= self._limit:
            raise LimitExceeded("max_publications", self._limit)
        self._due.pop(key, None)
        self._due[key] = now + self._interval

    def remove(self, key: bytes) -> None:
        """Do not send it any more."""
        self._due.pop(key, None)

    def next_timeout(self) -> float | None:
        """Return when the next one is due; None: there are none."""
        return next(iter(self._due.values()), None)

    def handle_timeout(self, now: float) -> bytes | None:
        """Return a key that is due, which counts as sent with that; None: there is none. To be called until then."""
        key = next(iter(self._due), None)
        if key is None or self._due[key] > now:
            return None
        self.add(key, now)
        return key
