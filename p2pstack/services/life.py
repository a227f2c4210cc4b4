"""The life that services have in common: with the host's, or with the block of an ``async with``."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from p2pstack.errors import HostClosed
from p2pstack.host.host import BaseHost

__all__ = ["HostService"]


class HostService(ABC):
    """A service that is started once and stopped once; ``_begin`` and ``_end`` say what that means.

    Made before the host is started it is started and stopped with it; ``async with`` does the same at any time.
    """

    _label: ClassVar[str]
    """What errors call it."""

    def __init__(self, host: BaseHost) -> None:
        """Join the host: the last step of a constructor, so that one that fails leaves nothing there."""
        self._joined = host
        self._begun = False
        self._stopped: asyncio.Event | None = None
        host.services.append(self)

    async def start(self) -> None:
        """Begin; called by the host, or by ``async with``. Idempotent.

        Raises:
            HostClosed: it was stopped; make another one.
        """
        if self._stopped is not None:
            raise HostClosed(f"{self._label} was stopped")
        if not self._begun:
            self._begun = True
            await self._begin()

    async def stop(self) -> None:
        """End; called by the host, or by ``async with``. Idempotent; who comes later waits for the end."""
        if self._stopped is not None:
            await self._stopped.wait()
            return
        self._stopped = asyncio.Event()
        host = self._joined
        if self in host.services and not host.network.closing:
            host.services.remove(self)
        try:
            await self._end()
        finally:
            self._stopped.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @abstractmethod
    async def _begin(self) -> None:
        """Start what runs; called once."""

    @abstractmethod
    async def _end(self) -> None:
        """End what runs, whether it began or not; called once."""
