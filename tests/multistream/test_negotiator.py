"""What holds for both sides: the header, any cut of the bytes, the limits, the end, and garbage."""

from __future__ import annotations

import doctest
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import p2pstack.multistream
from p2pstack.errors import LocalError, NegotiationError, ProtocolNotSupported
from p2pstack.multistream import Initiator, Lister, MultistreamConfig, Negotiator, Responder
from p2pstack.multistream.messages import HEADER, LS, NA, encode
from tests.multistream.driving import converse, cuts, feed, segments, sent
from tests.vectors import load

SPOKEN = frozenset({"/yamux/1.0.0", "/echo/1.0.0"})

Make = Callable[[], Negotiator]


def initiator() -> Initiator:
    return Initiator(["/yamux/1.0.0", "/echo/1.0.0"])


def lazy() -> Initiator:
    return Initiator(["/echo/1.0.0"], lazy=True)


def responder() -> Responder:
    return Responder(SPOKEN.__contains__, lambda: sorted(SPOKEN))


sides = pytest.mark.parametrize("make", [initiator, lazy, Lister, responder])


@pytest.mark.req("MSS-02")
@sides
def test_each_side_sends_its_header_without_waiting(make: Make) -> None:
    machine = make()
    assert sent(machine).startswith(HEADER)
    assert machine.data_to_send() == []


@pytest.mark.req("MSS-02")
@sides
@pytest.mark.parametrize(
    "data",
    [encode("/multistream/2.0.0"), encode("/yamux/1.0.0"), NA, LS, b"\x00", b"GET / HTTP/1.1", b"\x93\x00", b"\x14"],
)
def test_whatever_comes_first_and_is_not_the_header_ends_it(make: Make, data: bytes) -> None:
    machine = make()
    with pytest.raises(NegotiationError) as caught:
        feed(machine, data, [1] * len(data))
    assert caught.value.requirement == "MSS-02"
    assert machine.done
    assert machine.protocol is None


@pytest.mark.req("MSS-05", "GEN-06", "MSS-01")
@sides
@pytest.mark.parametrize(
    ("data", "requirement"),
    [
        (b"\x00", "MSS-01"),
        (b"\x03/ab", "MSS-01"),
        (b"\xff\x00", "GEN-06"),
        (b"\xff\xff", "GEN-06"),
    ],
)
def test_a_malformed_message_ends_it(make: Make, data: bytes, requirement: str) -> None:
    machine = make()
    machine.receive_data(HEADER)
    with pytest.raises(NegotiationError) as caught:
        feed(machine, data, [1, 1])
    assert caught.value.requirement == requirement
    with pytest.raises(LocalError):
        machine.receive_data(b"x")
    machine.receive_eof()


@pytest.mark.req("MSS-05", "GEN-02")
@pytest.mark.parametrize("make", [initiator, responder])
def test_the_limit_of_a_message_can_be_raised_and_holds_before_the_body(make: Make) -> None:
    machine = make()
    machine.receive_data(HEADER + b"\x80\x08" + b"/" * 1023)
    assert not machine.done
    machine = make()
    with pytest.raises(NegotiationError) as caught:
        machine.receive_data(HEADER + b"\x81\x08")
    assert caught.value.requirement == "MSS-05"
    large = Responder(SPOKEN.__contains__, config=MultistreamConfig(max_message=16_383))
    large.receive_data(HEADER + b"\xff\x7f/" + b"x" * 16_381 + b"\n")
    assert sent(large) == HEADER + NA


@pytest.mark.req("MSS-13")
@sides
def test_the_end_inside_a_message_is_an_error(make: Make) -> None:
    for data in (HEADER[:1], HEADER[:-1], HEADER + b"\x0d", HEADER + b"\x80", HEADER + b"\x0d/yamux/1.0.0"):
        machine = make()
        machine.receive_data(data)
        with pytest.raises(NegotiationError) as caught:
            machine.receive_eof()
        assert caught.value.requirement == "MSS-13"
        assert machine.done
        machine.receive_eof()


@pytest.mark.req("MSS-13")
@pytest.mark.parametrize("make", [initiator, lazy, Lister])
@pytest.mark.parametrize("data", [b"", HEADER])
def test_who_waits_for_an_answer_gets_an_error_at_the_end(make: Make, data: bytes) -> None:
    machine = make()
    machine.receive_data(data)
    with pytest.raises(NegotiationError, match="before it answered"):
        machine.receive_eof()
    assert machine.done


@pytest.mark.req("MSS-13")
@pytest.mark.parametrize("ending", [b"yamux/1.0.0\n", b"yamux/1.0.0-", None])
def test_nothing_is_held_once_it_is_over(ending: bytes | None) -> None:
    for machine in (initiator(), responder()):
        machine.receive_data(HEADER + b"\x0d/")
        assert machine._buffer == b"\x0d/"
        if ending is None:
            with pytest.raises(NegotiationError):
                machine.receive_eof()
        elif ending.endswith(b"-"):
            with pytest.raises(NegotiationError):
                machine.receive_data(ending)
        else:
            machine.receive_data(ending)
        assert machine.done
        assert machine._buffer == machine.trailing == b""


@pytest.mark.req("MSS-04", "MSS-06", "MSS-02")
@given(
    st.lists(st.sampled_from([f"/p/{n}" for n in range(6)]), min_size=1, max_size=8), st.sets(st.integers(0, 5)), cuts
)
def test_both_sides_agree_on_the_first_that_both_know_in_any_cut(
    proposals: list[str], known: set[int], sizes: list[int]
) -> None:
    spoken = {f"/p/{n}" for n in known}
    a, b = Initiator(proposals), Responder(spoken.__contains__)
    common = next((protocol for protocol in proposals if protocol in spoken), None)
    if common is None:
        with pytest.raises(ProtocolNotSupported) as caught:
            converse(a, b, sizes)
        assert caught.value.offered == tuple(proposals)
        b.receive_eof()
    else:
        converse(a, b, sizes)
    assert a.protocol == b.protocol == common
    assert a.done
    assert b.done
    assert a.trailing == b.trailing == b""


@pytest.mark.req("MSS-03", "MSS-06")
@given(st.binary(max_size=60), cuts, st.booleans())
def test_the_bytes_behind_it_are_kept_in_any_cut(data: bytes, sizes: list[int], with_ls: bool) -> None:
    conversation = HEADER + (LS if with_ls else b"") + encode("/nobody/1") + encode("/echo/1.0.0")
    cases: list[tuple[Negotiator, bytes]] = [
        (responder(), conversation),
        (initiator(), HEADER + NA + encode("/echo/1.0.0")),
        (lazy(), HEADER + encode("/echo/1.0.0")),
    ]
    for machine, received in cases:
        assert feed(machine, received + data, sizes) == data
        assert machine.protocol == "/echo/1.0.0"


def test_the_example_in_the_package_is_true() -> None:
    assert doctest.testmod(p2pstack.multistream) == (0, 4)


def test_a_view_is_taken_as_well_as_bytes() -> None:
    buffer = bytearray(b"??" + HEADER + encode("/echo/1.0.0") + b"hello")
    machine = responder()
    machine.receive_data(memoryview(buffer)[2:])
    buffer[:] = bytes(len(buffer))  # the caller's buffer is free again
    assert machine.trailing == b"hello"


fragments = st.sampled_from(
    [HEADER, NA, LS, encode("/yamux/1.0.0"), encode("/x"), b"\x01\n", b"\x05/\xff\xfe\xfd\n", b"\x00"]
)
streams = st.lists(st.one_of(fragments, st.binary(max_size=30)), max_size=12).map(b"".join)


@pytest.mark.req("MSS-11", "GEN-01")
@sides
@given(st.one_of(streams, streams.map(HEADER.__add__)), cuts)
def test_garbage_gives_a_negotiation_error_or_nothing_and_no_cut_changes_which(
    make: Make, data: bytes, sizes: list[int]
) -> None:
    def outcome(machine: Negotiator, parts: list[bytes]) -> tuple[object, ...]:
        rest, requirement = b"", None
        for part in parts:
            if machine.done:
                rest += part
                continue
            try:
                machine.receive_data(part)
            except NegotiationError as error:
                requirement = error.requirement
                break
        after = machine.trailing + rest if requirement is None else b""
        return machine.protocol, machine.done, requirement, sent(machine), after

    whole = outcome(make(), [data])
    assert outcome(make(), list(segments(data, sizes))) == whole
    assert whole[2] != ""


@pytest.mark.req("MSS-01", "MSS-02", "MSS-03", "MSS-04", "MSS-05", "MSS-06", "MSS-10")
@pytest.mark.parametrize("section", ["multistream", "multistream_rust"])
@pytest.mark.parametrize("sizes", [(), (1,) * 200], ids=["whole", "byte by byte"])
def test_recorded_exchanges_of_go_and_rust(section: str, sizes: tuple[int, ...]) -> None:
    refused = 0
    for exchange in load(section)["exchanges"]:
        dialer, listener = (_writes(exchange, side) for side in ("dialer", "listener"))
        result = exchange["listener_result"]
        ours = responder()
        if result in SPOKEN:
            application = feed(ours, dialer, sizes)
            assert ours.protocol == result
            assert application == (b"hello" if "lazy" in exchange["note"].lower() else b"")
            # rust's listener echoed the application's bytes as well
            assert sent(ours) == listener.removesuffix(application or b"-")
            _replay_initiator(dialer, listener, result, sizes)
        elif _broken(exchange["note"]):
            with pytest.raises(NegotiationError):
                feed(ours, dialer, sizes)
            assert sent(ours) == listener
            refused += 1
        else:
            feed(ours, dialer, sizes)
            ours.receive_eof()
            if exchange["note"].startswith("ls"):  # go has no ls; we answer as rust does
                listener = HEADER + b"\x1c\x0c/echo/1.0.0\n\x0d/yamux/1.0.0\n\n"
            assert sent(ours) == listener
            assert ours.done
            assert ours.protocol is None
    assert refused == (5 if section == "multistream" else 0)


def _broken(note: str) -> bool:
    words = ("wrong header", "announced", "length 0", "no newline", "non-minimal")
    return any(word in note for word in words)


def _writes(exchange: dict[str, list[dict[str, str]]], side: str) -> bytes:
    return b"".join(bytes.fromhex(write["hex"]) for write in exchange["writes"] if write["from"] == side)


def _replay_initiator(dialer: bytes, listener: bytes, result: str, sizes: tuple[int, ...]) -> None:
    """Our initiator, given the recorded listener's bytes, sends what the recorded dialer sent."""
    names = dialer.removeprefix(HEADER).split(b"\n")[:-1]
    ours = Initiator([name[1:].decode() for name in names])
    first = sent(ours)
    rest = feed(ours, listener, sizes)
    assert rest in (b"", b"hello")
    assert ours.protocol == result
    assert dialer.removesuffix(b"hello") == first + sent(ours)


@pytest.mark.req("MSS-04", "MSS-03")
@pytest.mark.parametrize(("section", "note"), [("multistream", "all refused"), ("multistream_rust", "all refused")])
def test_recorded_refusals_of_all_proposals(section: str, note: str) -> None:
    exchange = next(each for each in load(section)["exchanges"] if each["note"] == note)
    dialer = _writes(exchange, "dialer")
    ours = Initiator([name[1:].decode() for name in dialer.removeprefix(HEADER).split(b"\n")[:-1]])
    with pytest.raises(ProtocolNotSupported):
        ours.receive_data(_writes(exchange, "listener"))
    assert sent(ours) == dialer
