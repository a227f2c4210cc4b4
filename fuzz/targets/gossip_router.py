"""The router of gossipsub, among peers that send it whatever bytes there are."""

from __future__ import annotations

from fuzz.source import Source
from p2pstack.errors import DecodeError
from p2pstack.gossipsub.codec import decode_rpc
from p2pstack.gossipsub.values import Rpc, Subscription
from tests.gossipsub.network import OWN_NUMBER, forged, signed
from tests.gossipsub.play import PROTOCOLS, TOPICS, Play

_SCORES = (-1_000.0, -60.0, -20.0, -1.0, 0.0, 1.0, 5.0, 30.0)
_WAITS = (0.4, 1.0, 3.0, 12.0, 130.0)
_VERDICTS = ("accept", "reject", "ignore", "throttle")
_AUTHORS = (0, 20, 21, OWN_NUMBER)


def router(data: bytes) -> None:
    """Whatever comes in whatever order: meshes and back-offs are kept, nothing passes twice, all memory is bounded."""
    source = Source(data)
    mode = source.byte()
    play = Play(flooding=mode % 2 == 1, seed=mode)
    play.join(TOPICS[0])
    for number in range(0, len(PROTOCOLS), 1 + (mode >> 1) % 2):
        play.add(number)
        play.receive(number, Rpc(subscriptions=[Subscription(True, topic) for topic in TOPICS]))
    for step in source.steps(60):
        _act(play, step, source)


def _act(play: Play, step: int, source: Source) -> None:
    """One step: an action, and who or what it is about."""
    action, number = step >> 4, (step & 0x0F) % len(PROTOCOLS)
    topic = TOPICS[number % len(TOPICS)]
    if action == 0:
        play.add(number)
    elif action == 1:
        play.remove(number)
    elif action == 2:
        (play.join, play.leave)[source.byte() % 2](topic)
    elif action == 3:
        play.publish(topic, source.byte())
    elif action <= 7:
        _receive_bytes(play, number, source)
    elif action <= 9:
        what = source.byte()
        author, seqno = _AUTHORS[what % 4], what >> 2 & 7
        message = signed(author, seqno, topic) if what < 0xC0 else forged(author, seqno, topic)
        play.receive(number, Rpc(publish=[message]))
    elif action == 10:
        play.verify(number)
    elif action == 11:
        play.drop(number)
    elif action in (12, 13):
        play.settle(number, _VERDICTS[source.byte() % 4])
    elif action == 14:
        play.score(number, _SCORES[source.byte() % len(_SCORES)])
    else:
        play.wait(_WAITS[number % len(_WAITS)])


def _receive_bytes(play: Play, number: int, source: Source) -> None:
    try:
        rpc = decode_rpc(source.piece(), play.config)
    except DecodeError:
        return
    play.receive(number, rpc, first=source.byte() % 2 == 1)
