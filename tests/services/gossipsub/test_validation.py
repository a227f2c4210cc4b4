"""Validators: plain ones and async ones, those that raise or hang, and too many at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from p2pstack.errors import ConfigError, LocalError
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig
from p2pstack.gossipsub.values import Rpc
from p2pstack.host.host import BaseHost
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.validation import Validator, Verdict
from tests.services.gossipsub.pubsubs import TOPIC, Wild, config, texts, wild
from tests.services.hosts import until

SAYS = {b"accept": Verdict.ACCEPT, b"reject": Verdict.REJECT, b"ignore": Verdict.IGNORE, b"yes": True, b"no": False}


SCORED = ScoreConfig(topics={TOPIC: TopicScoreConfig()})


def plain(message: Incoming) -> Verdict | bool:
    return SAYS.get(message.data.split(b" ")[0])  # type: ignore[return-value]


async def later(message: Incoming) -> Verdict | bool:
    await asyncio.sleep(0)
    return plain(message)


class AnObject:
    async def __call__(self, message: Incoming) -> Verdict | bool:
        return await later(message)


@pytest.mark.req("GS10-26")
@pytest.mark.parametrize("validator", [plain, later, AnObject()])
async def test_verdicts(validator: Validator) -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, validator)
        peer.publish(b"accept 1", b"reject", b"ignore", b"yes 2", b"no", b"what?", b"accept 3")
        assert sorted(await texts(subscription, 3)) == [b"accept 1", b"accept 3", b"yes 2"]
        await until(lambda: pubsub.counters["rejected"] == 2 and pubsub.counters["ignored"] == 2)
        assert pubsub.usage()["max_checking"].current == 0


@pytest.mark.req("GS10-26")
async def test_plain_functions_keep_the_order() -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, plain)
        sent = [b"accept %d" % number for number in range(300)]
        peer.publish(*sent)
        assert await texts(subscription, 300) == sent


@pytest.mark.req("GS10-21", "GS10-26")
async def test_only_what_is_accepted_is_sent_on() -> None:
    async with wild() as (pubsub, peer), BaseHost() as host:
        pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, later)
        other = Wild(host)
        await other.open(pubsub)
        other.subscribe(TOPIC)
        await until(lambda: host.peer_id in pubsub.mesh(TOPIC))
        peer.publish(b"reject", b"ignore", b"accept")
        await until(lambda: other.heard() == [b"accept"])
        assert not peer.heard()


@pytest.mark.req("GS11-34")
@pytest.mark.parametrize("validator", [plain, later])
async def test_rejected_messages_cost_their_sender(validator: Validator) -> None:
    async with wild(config(score=SCORED)) as (pubsub, peer):
        pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, validator)
        peer.publish(b"ignore")
        await until(lambda: pubsub.counters["ignored"] == 1)
        before = pubsub.score(peer.host.peer_id)
        peer.publish(b"reject")
        await until(lambda: pubsub.counters["rejected"] == 1)
        assert pubsub.score(peer.host.peer_id) < before
        snapshot = pubsub.scores()[peer.host.peer_id]
        assert snapshot.topics[TOPIC].invalid_message_deliveries == 1


def raises(message: Incoming) -> bool:
    if message.data == b"bad":
        raise ZeroDivisionError("a validator's own fault")
    return True


async def raises_later(message: Incoming) -> bool:
    await asyncio.sleep(0)
    return raises(message)


@pytest.mark.req("GS10-26", "GEN-01")
@pytest.mark.parametrize("validator", [raises, raises_later])
async def test_an_error_of_a_validator_costs_the_message_alone(
    validator: Validator, caplog: pytest.LogCaptureFixture
) -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, validator)
        with caplog.at_level(logging.ERROR, "p2pstack.gossipsub"):
            peer.publish(b"bad", b"1", b"bad", b"bad", b"2", b"bad")
            assert sorted(await texts(subscription, 2)) == [b"1", b"2"]
            await until(lambda: pubsub.counters["validator-failed"] == 4)
        assert pubsub.counters["ignored"] == 4
        assert "own fault" in caplog.text
        assert peer.out is not None
        assert peer.out.failure is None


async def hangs(_: Incoming) -> bool:
    await asyncio.Event().wait()
    return True


@pytest.mark.req("GS10-26")
async def test_a_validator_that_hangs_is_ended() -> None:
    async with wild(config(validation_timeout=0.02)) as (pubsub, peer):
        pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, hangs)
        peer.publish(b"1", b"2")
        await until(lambda: pubsub.counters["ignored"] == 2)
        assert pubsub.counters["validator-failed"] == 2
        assert pubsub.usage()["max_validations"].current == 0


@pytest.mark.req("GS10-26")
@pytest.mark.parametrize(
    ("settings", "concurrency"),
    [({"max_validations": 3}, None), ({"max_topic_validations": 3}, None), ({}, 3)],
)
async def test_too_many_validations_are_throttled(settings: dict[str, int], concurrency: int | None) -> None:
    release = asyncio.Event()

    async def waits(_: Incoming) -> bool:
        await release.wait()
        return True

    async with wild(config(score=SCORED, **settings)) as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        other = pubsub.subscribe("other")
        pubsub.validate(TOPIC, waits, concurrency=concurrency)
        messages = [peer.message(b"%d" % number) for number in range(10)]
        peer.say(Rpc(publish=messages))
        await until(lambda: pubsub.counters["throttled"] == 7)
        assert pubsub.usage()["max_validations"].current == 3
        # Others are served meanwhile, nobody is blamed, and what was throttled counts as seen.
        peer.publish(b"passes", topic="other")
        assert await texts(other) == [b"passes"]
        peer.say(Rpc(publish=messages[3:]))
        await until(lambda: pubsub.counters["duplicate"] == 7)
        release.set()
        assert sorted(await texts(subscription, 3)) == [b"0", b"1", b"2"]
        assert pubsub.score(peer.host.peer_id) >= 0


async def test_own_messages_are_not_looked_at() -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, plain)
        await pubsub.publish(TOPIC, b"reject")
        assert await texts(subscription) == [b"reject"]
        await until(lambda: peer.heard() == [b"reject"])


async def test_a_topic_has_one_validator() -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, plain)
        with pytest.raises(LocalError, match="has a validator"):
            pubsub.validate(TOPIC, later)
        pubsub.unvalidate(TOPIC)
        pubsub.unvalidate(TOPIC)
        peer.publish(b"what?")
        assert await texts(subscription) == [b"what?"]
        pubsub.validate(TOPIC, later)


@pytest.mark.parametrize("settings", [{"concurrency": 0}, {"timeout": 0.0}])
async def test_settings_are_positive(settings: dict[str, int]) -> None:
    async with wild() as (pubsub, _):
        with pytest.raises(ConfigError, match="positive"):
            pubsub.validate(TOPIC, plain, **settings)


@pytest.mark.parametrize("validator", [plain, hangs])
async def test_the_end_while_messages_are_looked_at(validator: Callable[[Incoming], Awaitable[bool]]) -> None:
    async with wild(PubsubConfig(verify_threads=0)) as (pubsub, peer):
        pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, validator)
        peer.publish(*(b"accept %d" % number for number in range(50)))
        await until(lambda: pubsub.usage()["max_checking"].current)
        await _end(pubsub)
        assert pubsub.usage()["max_validations"].current == 0
        assert pubsub.usage()["max_checking"].current == 0


async def _end(pubsub: Gossipsub) -> None:
    for connection in pubsub._host.connections():
        tasks = connection.shut_down_handlers()
        if tasks:
            await asyncio.wait(tasks)
    await pubsub.stop()
