"""The inputs that fuzzing starts from, made of the vectors of tests/vectors/: ``python -m fuzz.seeds`` writes them.

They are stored so that the engines need nothing but files, and libFuzzer a folder. Other files in fuzz/corpus/ are
inputs that once failed; they stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fuzz.registry import CORPUS
from p2pstack.connection.config import NOISE_PROTOCOL
from p2pstack.connection.protocols import opening
from p2pstack.identity.keys import KeyType
from tests.vectors import load

__all__ = ["seeds", "write"]

_WHOLE = b"\x00"
"""No cuts (fuzz/source.py)."""

_CUT = b"\x03\x01\x02\x14"
"""Three segments, and the rest."""


def seeds() -> Iterator[tuple[str, str, bytes]]:
    """Yield target, name and input of each seed."""
    makers = {
        "uvarint": _uvarint(),
        "framing": _framing(),
        "multistream-initiator": _multistream("listener"),
        "multistream-responder": _multistream("dialer"),
        "noise-handshake-initiator": _handshake("2"),
        "noise-handshake-responder": _handshake("1"),
        "noise-transport": _transport(),
        "yamux-session": _session(),
        "yamux-pair": _pair(),
        "connection-client": _connection(),
        "connection-server": _connection(),
        "peer-id": _peer_id(),
        "keys": _keys(),
        "multiaddr": _multiaddr(),
        "envelope": _envelope(),
        "peer-record": _peer_record(),
        "identify": _identify(),
    }
    for target, inputs in makers.items():
        for number, data in enumerate(dict.fromkeys(inputs)):
            yield target, f"seed-{number:02}.bin", data


def write() -> None:
    """Write all seeds into fuzz/corpus/, in place of those that lie there."""
    for path in CORPUS.glob("*/seed-*.bin"):
        path.unlink()
    for target, name, data in seeds():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _uvarint() -> Iterator[bytes]:
    vectors = load("uvarint")
    for case in [*vectors["encode"][::3], *vectors["decode"]]:
        yield b"\x00\x08" + bytes.fromhex(case["hex"])


def _framing() -> Iterator[bytes]:
    frames = [bytes.fromhex(message["frame"]) for message in load("services")["messages"][:3]]
    yield b"\x05" + _WHOLE + frames[0]
    yield b"\x04" + _CUT + b"".join(frames)
    yield b"\x03" + _WHOLE + b"\x00" + b"\x81\x01" + bytes(129)


def _multistream(speaker: str) -> Iterator[bytes]:
    """What one side says in the exchanges of go and rust; the other one is under test."""
    exchanges = load("multistream")["exchanges"] + load("multistream_rust")["exchanges"]
    for mode, exchange in enumerate(exchanges):
        said = b"".join(bytes.fromhex(write["hex"]) for write in exchange["writes"] if write["from"] == speaker)
        if len(said) < 400:
            yield bytes((mode % 8,)) + (_CUT if mode % 2 else _WHOLE) + bytes((mode >> 1 & 1,)) + said
    if speaker == "listener":
        yield b"\x02" + _WHOLE + b"\x00" + bytes.fromhex(load("multistream")["rust_ls_answer"]["hex"])


def _handshake(message: str) -> Iterator[bytes]:
    vectors = load("noise")["with_stream_muxers"]
    yield b"\x01" + _CUT + bytes.fromhex(vectors[f"frame_{message}"])
    yield b"\x00" + _CUT
    yield b"\x08" + _WHOLE
    yield b"\x04" + _WHOLE + b"\x00\x30\x01"
    for section in ("with_stream_muxers", "without_extensions"):
        yield b"\x02" + _WHOLE + bytes.fromhex(load("noise")[section]["payload_2"])


def _transport() -> Iterator[bytes]:
    yield _CUT + b"\x07\x05hello" + b"\x07\x00\x00" + b"\x07\x05world"
    yield _WHOLE + b"\x07\x05hello" + b"\x00\x05world\x00\x03\x80"
    yield _WHOLE + b"\x07\x00\x8d" + b"\x01\x05hello\x0c" + b"\x07\x01x"
    yield b"\xff\x07\x05hello\x02\x01x\x03abc"


def _session() -> Iterator[bytes]:
    yamux, rust = load("yamux"), load("yamux_rust")
    for section in ("start", "echo_exchange", "reset_with_code"):
        for mode, speaker in ((1, "dialer"), (3, "listener")):
            said = b"".join(bytes.fromhex(w["hex"]) for w in yamux[section]["writes"] if w["from"] == speaker)
            if said:
                yield bytes((mode,)) + _CUT + said[:600]
    for section in ("echo_exchange", "listener_drops_open_stream", "dialer_closes_connection"):
        said = b"".join(bytes.fromhex(write["hex"]) for write in rust[section] if write["from"] == "dialer")
        yield b"\x01" + _WHOLE + said[:600]
    # Frames and uses of streams (fuzz/targets/yamux.py): SYN with data, a window update, a FIN; write, read, close.
    yield b"\x00" + b"\x00\x00\x01\x01\x40\x00" + b"\x05\x00\x00\x20" + b"\x08" + b"\x00\x00\x04\x01\x05\x00"
    yield b"\x06" + b"\x0b\x0b" + b"\x05\x00\x01\xff" + b"\x08" + b"\x00\x01\x02\x01\x20\x00" + b"\x09\xff" + b"\x0a"


def _pair() -> Iterator[bytes]:
    opened = b"\x01\x0b" + b"\x01\x05\x00\x00\x50" + b"\x01\x00" + b"\x00\x03\xff"
    yield b"\x00" + opened + b"\x00\x05\x00\x00\x30" + b"\x00\x00" + b"\x01\x03\xff" + b"\x01\x05\x00\x09"
    yield b"\x03" + opened * 3 + b"\x01\x05\x00\x05" + b"\x01\x05\x01\x07\x00\x07"
    yield b"\x01" + opened + b"\x01\x0a\x01\x00\x00\x03\x0c\x00\x00\x00\x09\x1f" + b"\x01\x05\x00\x00\xff" * 3
    yield b"\x00" + opened + b"\x01\x05\x00\x08\x00" + b"\x00\x05\x00\x05" + b"\x01\x09\x1f"


def _connection() -> Iterator[bytes]:
    hello = opening(NOISE_PROTOCOL)
    for section in ("with_stream_muxers", "without_extensions"):
        for message in ("1", "2"):
            yield b"\x01" + _CUT + hello + bytes.fromhex(load("noise")[section][f"frame_{message}"])
    # Behind a handshake (fuzz/targets/connection.py): proposals on streams 1 and 2, an echo, openings and answers.
    for mode in (b"\x00", b"\x04"):
        for stream_id in (b"\x01", b"\x02"):
            yield mode + b"\x05\x00\x01" + stream_id + _CUT + b"\x0a\x07\xff\x0b\x00\x0b\x02\x05\x00\x00" + stream_id
    yield b"\x02" + b"\x05\x00\x00" + _CUT + b"\x05\x01\x01\x01\x01" + _WHOLE + b"\x0a\x08\x20"
    yield b"\x06" + b"\x05\x03\x00" + _WHOLE + b"\x06\x05hello" + _WHOLE
    yield b"\x00" + b"\x0b\x00" + b"\x07\xff" + b"\x05\x06\x02\x01" + _WHOLE + b"\x08\xff\x09\x00\x02"
    yield b"\x04" + b"\x05\x03\x01\x01" + _WHOLE + b"\x05\x02\x01\x02" + _WHOLE + b"\x05\x04\x00\x01" + _WHOLE


def _peer_id() -> Iterator[bytes]:
    for case in load("keys")["seeds"][:2] + load("keys")["spec_pairs"]:
        yield bytes.fromhex(case["peer_id_bytes"])
        yield case["peer_id_text"].encode()
        yield case["peer_id_cid"].encode()
    for case in load("keys")["text_cases"]:
        yield case["text"].encode()


def _keys() -> Iterator[bytes]:
    for pair in load("keys")["spec_pairs"]:
        signature = bytes.fromhex(pair["signature"])
        yield b"\x00" + len(signature).to_bytes(2, "big") + signature + bytes.fromhex(pair["public_protobuf"])
        yield b"\x01\x00\x00" + bytes.fromhex(pair["private_protobuf"])
        yield bytes((2 | KeyType[pair["type"].upper()] << 2, 0, 0)) + bytes.fromhex(pair["public_data"])
    for case in load("keys")["decode_cases"]:
        yield b"\x00\x00\x00" + bytes.fromhex(case["hex"])


def _multiaddr() -> Iterator[bytes]:
    for pair in load("multiaddr")["pairs"]:
        yield bytes.fromhex(pair["hex"])
        yield pair["text"].encode()
    for case in load("multiaddr")["bad"]:
        yield bytes.fromhex(case["hex"])


def _envelopes() -> Iterable[bytes]:
    sections = [section for section in load("envelope").values() if isinstance(section, dict)]
    return [bytes.fromhex(section["envelope"]) for section in sections if "envelope" in section]


def _envelope() -> Iterator[bytes]:
    yield from _envelopes()


def _peer_record() -> Iterator[bytes]:
    for envelope in _envelopes():
        yield b"\x00" + envelope
    for section in ("peer_record", "legacy_peer_record_rust"):
        yield b"\x01" + bytes.fromhex(load("envelope")[section]["payload"])


def _identify() -> Iterator[bytes]:
    frames = [bytes.fromhex(m["frame"]) for m in load("services")["messages"] if "/ipfs/id/" in m["protocol"]]
    for mode, frame in enumerate(frames):
        yield bytes((mode << 1,)) + (_CUT if mode % 2 else _WHOLE) + frame
    yield b"\x02" + _CUT + b"".join(frames[:3])


if __name__ == "__main__":
    write()
