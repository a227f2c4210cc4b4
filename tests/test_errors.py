from __future__ import annotations

import inspect
import re

import pytest

from p2pstack import errors
from p2pstack.errors import (
    ConfigError,
    ConnectionClosed,
    DeadlineExceeded,
    DecodeError,
    DialError,
    GatedError,
    HandshakeError,
    HolePunchError,
    HostClosed,
    LimitExceeded,
    LocalError,
    NegotiationError,
    NoiseError,
    P2PError,
    PeerIdMismatch,
    ProtocolNotSupported,
    ProtocolViolation,
    RemoteError,
    StreamClosed,
    StreamEOF,
    StreamError,
    StreamReset,
    StreamTimeout,
    Truncated,
    YamuxError,
)

CLASSES = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}


def test_the_drawing_in_the_docstring_is_the_tree_of_classes() -> None:
    assert errors.__doc__ is not None
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"    ((?:[│├└─]| {4}|[ ])*)([A-Z]\w+)", line)
        if found:
            depth = len(found.group(1)) // 4
            path[depth:] = [found.group(2)]
            parents[found.group(2)] = path[depth - 1] if depth else ""
    assert parents == {name: "" if kind is P2PError else kind.__bases__[0].__name__ for name, kind in CLASSES.items()}


def test_every_error_is_public() -> None:
    assert set(errors.__all__) == set(CLASSES)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError("x"), ValueError),
        (DecodeError("x"), ValueError),
        (Truncated("x"), ValueError),
        (StreamEOF(b"", 1), EOFError),
        (StreamTimeout("x"), TimeoutError),
        (DeadlineExceeded("x"), TimeoutError),
    ],
)
def test_errors_are_what_python_programs_expect_as_well(error: P2PError, builtin: type[Exception]) -> None:
    assert isinstance(error, builtin)
    assert str(error)


def test_the_caller_s_mistakes_and_the_peer_s_faults_are_told_apart() -> None:
    assert not issubclass(DecodeError, LocalError | RemoteError)
    assert issubclass(HostClosed, LocalError)
    assert not issubclass(GatedError, LocalError | RemoteError | StreamError)
    assert issubclass(ConnectionClosed, StreamError)
    assert issubclass(StreamClosed, StreamError)


def test_a_decode_error_may_name_the_rule_that_was_broken() -> None:
    assert DecodeError("bad").requirement == ""
    error = Truncated("short", requirement="GEN-06")
    assert (str(error), error.requirement) == ("short", "GEN-06")


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (NegotiationError, "multistream: "),
        (HandshakeError, "noise: "),
        (NoiseError, "noise: "),
        (YamuxError, "yamux: "),
        (RemoteError, ""),
    ],
)
def test_a_remote_error_says_which_layer_was_offended(kind: type[RemoteError], prefix: str) -> None:
    error = kind("nonsense", requirement="YMX-01", code=2)
    assert str(error) == prefix + "nonsense"
    assert (error.requirement, error.code) == ("YMX-01", 2)
    assert (kind("x").requirement, kind("x").code) == ("", 0)


def test_a_violation_names_its_protocol() -> None:
    error = ProtocolViolation("/ipfs/ping/1.0.0", "wrong echo", requirement="PING-03", code=5)
    assert str(error) == "/ipfs/ping/1.0.0: wrong echo"
    assert (error.protocol, error.requirement, error.code) == ("/ipfs/ping/1.0.0", "PING-03", 5)


def test_an_unsupported_protocol_says_what_was_offered() -> None:
    error = ProtocolNotSupported(["/a", "/b"])
    assert error.offered == ("/a", "/b")
    assert str(error) == "multistream: the peer supports none of: /a, /b"
    assert error.requirement == "MSS-03"


def test_a_wrong_peer_says_who_was_expected_and_who_came() -> None:
    error = PeerIdMismatch("Alice", "Mallory")
    assert (error.expected, error.actual, error.requirement) == ("Alice", "Mallory", "NOISE-07")
    assert str(error) == "noise: expected peer Alice, but Mallory answered"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StreamReset(), "stream reset by the peer"),
        (StreamReset(0x1002), "stream reset by the peer (code 0x1002)"),
        (StreamReset(7, remote=False), "stream reset here (code 0x7)"),
        (StreamEOF(b"abc", 5), "stream ended after 3 of 5 bytes"),
        (ConnectionClosed(), "connection closed"),
        (ConnectionClosed(reason=YamuxError("bad")), "connection closed: yamux: bad"),
        (ConnectionClosed("lost", reason=OSError()), "lost"),
        (LimitExceeded("yamux.max_streams", 512), "limit yamux.max_streams of 512 is exhausted"),
        (HolePunchError("Bob", [DeadlineExceeded("late"), OSError()]), "no direct connection to Bob: late; OSError"),
        (HolePunchError("Bob", []), "no direct connection to Bob: nothing was tried"),
    ],
)
def test_texts(error: P2PError, text: str) -> None:
    assert str(error) == text


def test_values_can_be_read_from_the_error() -> None:
    reset = StreamReset(7, remote=False)
    assert (reset.code, reset.remote) == (7, False)
    end = StreamEOF(b"abc", 5)
    assert (end.partial, end.expected) == (b"abc", 5)
    reason = OSError("gone")
    assert ConnectionClosed(reason=reason).reason is reason
    assert ConnectionClosed().reason is None
    limit = LimitExceeded("connections", 7)
    assert (limit.name, limit.limit) == ("connections", 7)


def test_a_dial_error_lists_every_attempt() -> None:
    refused, silent = ConnectionRefusedError(111, "refused"), DeadlineExceeded()
    error = DialError("12D3", [("/ip4/192.0.2.1/tcp/1", refused), ("/ip4/192.0.2.2/tcp/1", silent)])
    assert error.attempts == (("/ip4/192.0.2.1/tcp/1", refused), ("/ip4/192.0.2.2/tcp/1", silent))
    assert error.peer == "12D3"
    assert str(error) == (
        "can't dial 12D3: /ip4/192.0.2.1/tcp/1: [Errno 111] refused; /ip4/192.0.2.2/tcp/1: DeadlineExceeded"
    )
    assert str(DialError("12D3", [])) == "can't dial 12D3: no address is known"
    assert str(DialError("12D3", [], "it is us")) == "can't dial 12D3: it is us"
