"""What a DHT could not do."""

from __future__ import annotations

from p2pstack.errors import P2PError
from p2pstack.services.kad.results import Progress

__all__ = ["LookupFailed"]


class LookupFailed(P2PError):
    """A lookup has not found what it was for, or too few peers have taken what was sent.

    ``progress`` tells how far it got.
    """

    def __init__(self, message: str, progress: Progress) -> None:
        super().__init__(f"{message} ({_told(progress)})")
        self.progress = progress


def _told(progress: Progress) -> str:
    if not progress.requests:
        return "no peer of the DHT is known that could be asked"
    told = f"lookup {progress.reason.value}: {progress.requests} requests, {progress.failures} failed"
    return told if progress.failure is None else f"{told}, the last one: {progress.failure}"
