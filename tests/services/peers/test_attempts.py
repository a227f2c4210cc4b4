"""What a failed dial says about a peer, and what it does not."""

from __future__ import annotations

import pytest

from p2pstack.errors import (
    DeadlineExceeded,
    DecodeError,
    DialError,
    GatedError,
    HandshakeError,
    LimitExceeded,
    LocalError,
    PeerIdMismatch,
)
from p2pstack.identity.multiaddrs import with_peer
from p2pstack.services.peers.attempts import Verdict, judge
from tests.services.peers.known import address, peer


def failure(*causes: BaseException) -> DialError:
    return DialError(peer(1), [(str(address(number)), cause) for number, cause in enumerate(causes, 1)])


@pytest.mark.req("PEERS-05")
@pytest.mark.parametrize(
    ("cause", "verdict"),
    [
        (ConnectionRefusedError(), Verdict.FAILED),
        (TimeoutError(), Verdict.FAILED),
        (HandshakeError("bad"), Verdict.FAILED),
        (DeadlineExceeded("slow"), Verdict.FAILED),
        (PeerIdMismatch(peer(1), peer(2)), Verdict.WRONG_PEER),
    ],
)
def test_what_was_tried_is_counted(cause: BaseException, verdict: Verdict) -> None:
    assert judge(failure(cause)) == (True, {address(1): verdict})


@pytest.mark.req("PEERS-05")
@pytest.mark.parametrize(
    "cause", [LocalError("left alone"), GatedError("no"), LimitExceeded("connections", 1), DecodeError("no TCP")]
)
def test_what_we_did_not_try_is_not(cause: BaseException) -> None:
    assert judge(failure(cause)) == (False, {})
    assert judge(failure(cause, OSError())) == (True, {address(2): Verdict.FAILED})


@pytest.mark.req("PEERS-05")
def test_a_dial_that_ran_out_of_time_is_the_peers_and_one_to_nowhere_nobodys() -> None:
    assert judge(DeadlineExceeded("slow")) == (True, {})
    assert judge(failure()) == (False, {})


def test_addresses_are_compared_without_the_peer_and_what_is_none_is_left_out() -> None:
    error = DialError(peer(1), [(str(with_peer(address(1), peer(1))), OSError()), ("nonsense", OSError())])
    assert judge(error) == (True, {address(1): Verdict.FAILED})
