"""Whatever the bytes are: attackers with a seeded dice, and honest peers whose bytes come in every cut."""

from __future__ import annotations

import asyncio
import random
from functools import partial

import pytest

from p2pstack.errors import RemoteError
from p2pstack.identity.keys import PrivateKey
from p2pstack.multistream.messages import HEADER, LS, NA, encode
from p2pstack.noise import NoiseIdentity
from p2pstack.services.identify_message import IDENTIFY, PUSH
from p2pstack.services.perf import PERF, serve_perf
from p2pstack.services.ping import PING
from p2pstack.services.standard import Host
from p2pstack.wire.framing import encode_frame
from p2pstack.yamux.frames import DATA, GO_AWAY, SYN, pack_header
from p2pstack.yamux.frames import PING as PING_FRAME
from tests.misbehave.arena import ECHO, Victim, arena, says_back, settings
from tests.misbehave.attacker import PATIENCE, Attacker, frame, proposal

pytestmark = pytest.mark.misbehave

SERVED = [ECHO, IDENTIFY, PUSH, PING, PERF]
LENGTHS = [0, 1, 2, 12, 31, 32, 100, 1000, 65_000, 262_144, 262_145, 2**31, 2**32 - 1]
CONFIG = settings(upgrade_timeout=0.5, negotiation_timeout=0.5, yamux={"close_timeout": 0.3, "max_inbound_streams": 20})
served = partial(arena, CONFIG, make=Host, prepare=serve_perf)


def some_messages(dice: random.Random) -> bytes:
    """A piece of a negotiation, perhaps cut or bent."""
    parts = [HEADER, NA, LS, encode("/noise"), encode("/yamux/1.0.0"), *map(encode, SERVED), b"\x00", b"\xff\x7f"]
    data = b"".join(dice.choices(parts, k=dice.randint(1, 6)))
    return bent(dice, HEADER + data if dice.random() < 0.8 else data)


def bent(dice: random.Random, data: bytes) -> bytes:
    """The data as it is, cut, with a wrong byte, or with some more."""
    bend = dice.randrange(6)
    if bend == 0:
        return data[: dice.randrange(len(data) + 1)]
    if bend == 1 and data:
        place = dice.randrange(len(data))
        return data[:place] + dice.randbytes(1) + data[place + 1 :]
    return data + dice.randbytes(dice.randrange(40)) if bend == 2 else data


def some_frames(dice: random.Random) -> bytes:
    """Frames that are mostly legal, so that they come far, and now and then not at all."""
    data = b""
    used: set[int] = set()
    for _ in range(dice.randint(1, 30)):
        wild = dice.random() < 0.01
        stream_id = dice.choice([0, 2, 4, 2**32 - 1]) if wild else dice.choice([1, 1, 3, 3, 5, 7, 9, 11])
        flags = dice.choice([0, 0, 0, 0, 2, 4, 8, 12])
        if stream_id not in used:
            used.add(stream_id)
            flags = dice.choice([SYN, SYN, SYN, SYN | 4, SYN | 8, 0])
        kind = dice.choice([4, 255, GO_AWAY]) if wild else dice.choice([DATA, DATA, DATA, DATA, 1, PING_FRAME])
        if kind == DATA:
            body = dice.choice([some_messages(dice), proposal(dice.choice(SERVED)), encode_frame(dice.randbytes(50))])
            length = dice.choice(LENGTHS) if wild else len(body)
            data += pack_header(0, kind, flags, stream_id, length) + body
        else:
            data += pack_header(dice.random() > 0.999, kind, flags, stream_id, dice.choice(LENGTHS[:-2]))
    return bent(dice, data) if dice.random() < 0.1 else data


async def leave(dice: random.Random, attacker: Attacker) -> None:
    """Go in one of four ways."""
    way = dice.randrange(4)
    if way == 0:
        attacker.half_close()
        await attacker.read_to_end()
    elif way == 1:
        attacker.abort()
    elif way == 2:
        attacker.close()


@pytest.mark.req("GEN-01", "MSS-02", "NOISE-19")
@pytest.mark.parametrize("seed", range(4))
async def test_any_bytes_before_the_upgrade(seed: int) -> None:
    dice = random.Random(seed)
    async with served() as victim:
        for _ in range(50):
            attacker = await victim.attacker()
            data = some_messages(dice) if dice.random() < 0.7 else dice.randbytes(dice.randrange(300))
            await attacker.flood([data])
            await leave(dice, attacker)


@pytest.mark.req("GEN-01", "NOISE-05", "NOISE-09", "MSS-09")
@pytest.mark.parametrize("seed", range(4))
async def test_any_bytes_within_the_upgrade(seed: int) -> None:
    dice = random.Random(seed)
    async with served() as victim:
        for _ in range(40):
            attacker = await victim.attacker()
            if dice.random() < 0.5:
                attacker.identity = NoiseIdentity(PrivateKey.generate())
            payload = attacker.identity.payload
            attacker.identity.payload = bent(dice, payload)
            handshake = await attacker.begin_handshake()
            message = handshake.write_message()
            attacker.secure(handshake)
            message = bent(dice, message) if dice.random() < 0.2 else message
            last = len(message).to_bytes(2, "big") + message
            await attacker.flood([last + attacker.seal(some_messages(dice) + some_frames(dice))])
            await leave(dice, attacker)


@pytest.mark.req("GEN-01", "YMX-01", "YMX-24")
@pytest.mark.parametrize("seed", range(8))
async def test_any_frames(seed: int) -> None:
    dice = random.Random(seed)
    async with served() as victim:
        stream = await victim.bystander.open_stream(victim.host.peer_id, ECHO)
        for _ in range(40):
            attacker = await (await victim.attacker()).upgrade()
            pieces = [attacker.seal(some_frames(dice)) for _ in range(dice.randint(1, 4))]
            await attacker.flood(pieces)
            await says_back(stream, b"meanwhile")
            await leave(dice, attacker)
        await stream.close()
        async with asyncio.timeout(PATIENCE):
            for attacker in victim.attackers:
                attacker.close()
            for connection in await gone(victim):
                reason = connection.close_reason
                assert reason is not None
                assert not isinstance(reason, RemoteError) or reason.requirement


async def gone(victim: Victim) -> list:
    """Every connection that has ended, once all of the attackers' have."""
    for connection in victim.host.network.every_connection():
        if connection.machine.remote is None or connection.peer_id != victim.bystander.peer_id:
            await connection.wait_closed()
    return [victim.ended.get_nowait() for _ in range(victim.ended.qsize())]


@pytest.mark.req("NOISE-18", "NOISE-23", "GEN-01")
@pytest.mark.parametrize("seed", range(4))
async def test_honest_peers_whose_bytes_come_in_every_cut_and_interleaved(seed: int) -> None:
    """They share one receive buffer: what is unfinished of one must survive the reads of all others."""
    dice = random.Random(seed)
    async with arena() as victim:
        attackers = [await victim.upgraded() for _ in range(6)]
        sent = {attacker: dice.randbytes(5000) for attacker in attackers}
        wire: dict[Attacker, bytes] = {}
        for attacker, data in sent.items():
            first = frame(DATA, SYN, 1, body=proposal(ECHO))
            frames = [frame(DATA, 0, 1, body=data[at : at + 700]) for at in range(0, 5000, 700)]
            plain = first + b"".join(frames)
            cuts = sorted(dice.sample(range(1, len(plain)), 30))
            wire[attacker] = b"".join(
                attacker.seal(plain[start:end]) for start, end in zip([0, *cuts], [*cuts, len(plain)], strict=True)
            )
        while wire:
            attacker = dice.choice(list(wire))
            size = dice.randint(1, 400)
            await attacker.send(wire[attacker][:size])
            wire[attacker] = wire[attacker][size:]
            if not wire[attacker]:
                del wire[attacker]
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
        for attacker, data in sent.items():
            assert await attacker.read_stream(1, len(proposal(ECHO)) + 5000) == proposal(ECHO) + data
