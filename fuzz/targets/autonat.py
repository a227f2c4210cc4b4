"""AutoNAT: the messages of both versions, what a server makes of them, and what a client believes."""

from __future__ import annotations

from fuzz.expect import caught
from fuzz.source import Source
from p2pstack.autonat import v1, v2
from p2pstack.autonat.choice import choose, same_host, to_dial_back
from p2pstack.autonat.config import ConfidenceConfig
from p2pstack.autonat.protocols import MAX_V1_ADDRESSES, MAX_V2_ADDRESSES
from p2pstack.autonat.reachability import Reachability
from p2pstack.autonat.tracker import ReachabilityTracker
from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import is_public, parse, tcp_endpoint

__all__ = ["reachability", "version_1", "version_2"]

_OBSERVED = parse("/ip4/5.10.0.1/tcp/4001")
_ADDRESSES = [parse(f"/ip4/5.10.0.1/tcp/{port}") for port in range(1, 6)]
_CONFIG = ConfidenceConfig(confirmations=3, max_answers=4, max_addresses=3, recheck_interval=20.0, answer_ttl=100.0)


def version_1(data: bytes) -> None:
    """Whatever a client asks for, only its own IP is dialled, a few times; whatever a server says can be shown."""
    if caught(DecodeError, v1.Dial.decode, data) is None:
        request = v1.Dial.decode(data)
        if request.valid:
            assert v1.Dial.decode(request.encode()) == request
        dialled = to_dial_back(_OBSERVED, request.addresses)
        assert dialled[0] == _OBSERVED
        assert len(dialled) <= MAX_V1_ADDRESSES
        assert all(same_host(each, _OBSERVED) and tcp_endpoint(each).port for each in dialled)
    if caught(DecodeError, v1.DialResponse.decode, data) is None:
        response = v1.DialResponse.decode(data)
        assert response.text.isprintable()
        assert v1.DialResponse.decode(response.encode()) == response


def version_2(data: bytes) -> None:
    """Messages survive a round; a server's choice is public, and where the request says that it is."""
    if caught(DecodeError, v2.decode_back, data) is None:
        nonce = v2.decode_back(data)
        assert v2.decode_back(v2.encode_back(nonce)) == nonce
    caught(DecodeError, v2.decode_back_response, data)
    if caught(DecodeError, v2.decode, data) is not None:
        return
    message = v2.decode(data)
    again = v2.decode(message.encode())
    if not isinstance(message, v2.DialRequest):
        assert again == message
        return
    assert isinstance(again, v2.DialRequest)
    assert again.addresses == tuple(address for address in message.addresses if address is not None)
    assert len(message.addresses) <= MAX_V2_ADDRESSES
    choice = choose(message.addresses, {"5.10.0.9"}, private=False)
    if choice is not None:
        named = message.addresses[choice.place]
        assert named is not None
        assert is_public(choice.address)
        assert tcp_endpoint(named) == tcp_endpoint(choice.address)
        assert tcp_endpoint(choice.address).host != "5.10.0.9"


def reachability(data: bytes) -> None:
    """No order of answers, questions and times makes less than three groups believed, or too much be kept."""
    source = Source(data)
    tracker = ReachabilityTracker(_CONFIG)
    now = 0.0
    voices: dict[tuple[int, str], bool] = {}
    for step in source.steps(400):
        value = source.byte()
        subject = None if step % 6 == 5 else _ADDRESSES[step % 5]
        action = value % 5
        if action == 0:
            tracker.follow(_ADDRESSES[step % 5 :], now)
        elif action == 1:
            tracker.begin(subject)
        elif action == 2:
            tracker.end(subject)
        elif action == 3:
            now += step
        else:
            group = "abcdefgh"[value // 5 % 8]
            voices[step % 5, group] = bool(value & 0x80)
            tracker.answer(subject, group, reachable=bool(value & 0x80), now=now, jitter=step / 256)
        assert len(tracker.addresses) <= 3
        assert set(tracker.public) <= set(tracker.addresses)
        assert (tracker.reachability is Reachability.PUBLIC) == bool(tracker.public)
        assert set(tracker.wanted(now)) <= set(tracker.addresses)
        assert tracker.ordered(tracker.wanted(now), "a", now) or not tracker.wanted(now)
        if len({group for _, group in voices}) < 3:
            assert tracker.reachability is Reachability.UNKNOWN
