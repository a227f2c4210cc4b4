"""Verifying signatures, in the event loop and beside it. Hot path (specs/gossipsub.md).

A signature costs more than all the rest of a message, and libsodium lets other threads go on while it works. To wake a
thread costs as much as a signature, so the few messages that one read brings when there is little to do are verified
at once. More of them are cut into batches, in order, and offered to threads; but whatever no thread has begun when its
turn comes the loop verifies itself. That uses another core where one is free, is no slower where none is, and each
signature of the loop's gives the threads the interpreter for a moment, which a loop that is busy with Python does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.signing import Job, signature_job, verify_jobs

__all__ = ["Batch", "Outcome", "Verifier"]

Outcome = str | None
"""Why a message is bad, a name of :mod:`p2pstack.gossipsub.reasons`; None: it is good."""

_Check = Job | str | None
"""What is to be verified; or why it is bad; or nothing: a message without a signature, which the policy allows."""


class Batch:
    """Some messages whose verification was offered to a thread, or is for the loop (``offer`` is None).

    ``last`` is False where others follow, before which other tasks should have their turn.
    """

    __slots__ = ("_checks", "_last", "_offer", "messages")

    def __init__(
        self, messages: Sequence[Incoming], checks: Sequence[_Check], offer: Future[list[bool]] | None, *, last: bool
    ) -> None:
        self.messages = messages
        self._checks = checks
        self._offer = offer
        self._last = last

    async def outcomes(self) -> list[Outcome]:
        """Return what came of each message."""
        offer = self._offer
        if offer is not None and not offer.cancel():
            verified = offer.result() if offer.done() else await asyncio.wrap_future(offer)
            return self._settle(verified)
        outcomes = self._settle(verify_jobs(_jobs(self._checks)))
        if not self._last:
            await asyncio.sleep(0)
        return outcomes

    def _settle(self, verified: Sequence[bool]) -> list[Outcome]:
        """Put the results of the jobs back to where they belong."""
        told = iter(verified)
        settled: list[Outcome] = []
        for check in self._checks:
            if isinstance(check, tuple):
                settled.append(None if next(told) else reasons.BAD_SIGNATURE)
            else:
                settled.append(check)
        return settled


class Verifier:
    """Verifies messages: up to ``inline`` of them at once, more of them ``batch`` at a time, with up to ``threads``."""

    __slots__ = ("_batch", "_inline", "_pool", "_threads")

    def __init__(self, *, threads: int, inline: int, batch: int) -> None:
        self._threads = threads
        self._inline = inline
        self._batch = batch
        self._pool: ThreadPoolExecutor | None = None

    def start(self, messages: Sequence[Incoming]) -> list[Batch]:
        """Begin to verify ``messages``; the batches hold them in order, and are to be waited for in order."""
        checks = [_check(each) for each in messages]
        if len(checks) <= self._inline or len(_jobs(checks)) <= self._inline:
            return [Batch(messages, checks, None, last=True)]
        size = self._batch
        batches = []
        for offset in range(0, len(messages), size):
            some = checks[offset : offset + size]
            # The first is for the loop, which would have to wait for it.
            offer = self._threaded().submit(verify_jobs, _jobs(some)) if offset and self._threads else None
            batches.append(Batch(messages[offset : offset + size], some, offer, last=offset + size >= len(messages)))
        return batches

    def _threaded(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="p2pstack-verify")
        return self._pool

    def close(self) -> None:
        """End the threads, which may finish what they have begun; from now on the loop verifies."""
        self._threads = 0
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _check(incoming: Incoming) -> _Check:
    message = incoming.message
    return None if message.signature is None else signature_job(message)


def _jobs(checks: Sequence[_Check]) -> list[Job]:
    return [check for check in checks if isinstance(check, tuple)]
