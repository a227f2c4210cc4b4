from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalError, NegotiationError
from p2pstack.multistream import MultistreamConfig, Responder
from p2pstack.multistream.messages import HEADER, LS, NA, encode, encode_listing
from tests.multistream.driving import cuts, feed, sent


def make(*spoken: str, config: MultistreamConfig | None = None) -> Responder:
    return Responder(spoken.__contains__, lambda: spoken, config=config or MultistreamConfig())


@pytest.mark.req("MSS-02")
def test_the_header_is_queued_at_once_and_can_leave_with_the_first_answer() -> None:
    assert make().data_to_send() == [HEADER]
    machine = make("/a")
    machine.receive_data(HEADER + encode("/a"))
    assert machine.data_to_send() == [HEADER, encode("/a")]


@pytest.mark.req("MSS-03")
@given(st.text(min_size=0, max_size=30).filter(lambda text: "\n" not in text), cuts)
def test_an_accepted_proposal_is_echoed_byte_for_byte(name: str, sizes: list[int]) -> None:
    protocol = "/" + name
    machine = make(protocol)
    feed(machine, HEADER + encode(protocol), sizes)
    assert machine.protocol == protocol
    assert sent(machine) == HEADER + encode(protocol)


@pytest.mark.req("MSS-03")
def test_an_id_longer_than_127_bytes_is_echoed_with_two_length_bytes() -> None:
    protocol = "/" + "x" * 200
    machine = make(protocol)
    machine.receive_data(HEADER + encode(protocol))
    assert sent(machine) == HEADER + b"\xca\x01" + protocol.encode() + b"\n"


@pytest.mark.req("MSS-04")
def test_it_goes_on_answering_after_a_refusal() -> None:
    machine = make("/b")
    machine.receive_data(HEADER + encode("/a") + encode("/c"))
    assert machine.data_to_send() == [HEADER, NA, NA]
    machine.receive_data(encode("/b"))
    assert machine.data_to_send() == [encode("/b")]
    assert machine.protocol == "/b"


@pytest.mark.req("MSS-06", "MSS-12")
@pytest.mark.parametrize("sizes", [(), (1,) * 100])
def test_a_peer_that_sends_all_and_half_closes_gets_its_answer(sizes: tuple[int, ...]) -> None:
    machine = make("/echo/1.0.0")
    assert feed(machine, HEADER + encode("/echo/1.0.0") + b"hello", sizes) == b"hello"
    machine.receive_eof()
    assert machine.protocol == "/echo/1.0.0"
    assert sent(machine) == HEADER + encode("/echo/1.0.0")


@pytest.mark.req("MSS-12")
def test_even_a_refusal_is_still_sent_after_the_half_close() -> None:
    machine = make("/a")
    machine.receive_data(HEADER + encode("/b"))
    machine.receive_eof()
    assert (machine.done, machine.protocol) == (True, None)
    assert sent(machine) == HEADER + NA


@pytest.mark.req("MSS-13")
@pytest.mark.parametrize("data", [b"", HEADER, HEADER + encode("/b"), HEADER + LS])
def test_the_end_between_two_messages_is_quiet(data: bytes) -> None:
    machine = make("/a")
    machine.receive_data(data)
    machine.receive_eof()
    assert (machine.done, machine.protocol, machine.trailing) == (True, None, b"")
    with pytest.raises(LocalError):
        machine.receive_data(b"")


@pytest.mark.req("MSS-07")
def test_ls_lists_what_is_spoken_now_and_ends_nothing() -> None:
    spoken = ["/a"]
    machine = Responder(spoken.__contains__, lambda: spoken)
    machine.receive_data(HEADER + LS)
    spoken.append("/b")
    machine.receive_data(LS + encode("/b"))
    assert machine.data_to_send() == [
        HEADER,
        encode_listing(["/a"], max_names=9),
        encode_listing(["/a", "/b"], max_names=9),
        encode("/b"),
    ]
    assert machine.protocol == "/b"


@pytest.mark.req("MSS-07", "GEN-04")
@pytest.mark.parametrize("spoken", [["/x" + "y" * 500] * 3, ["/x"] * 4])
def test_ls_is_refused_where_the_listing_would_be_too_long(spoken: list[str]) -> None:
    machine = make(*spoken, config=MultistreamConfig(max_listed=3))
    machine.receive_data(HEADER + LS + encode(spoken[0]))
    assert machine.data_to_send() == [HEADER, NA, encode(spoken[0])]


def test_without_a_listing_nothing_is_listed() -> None:
    machine = Responder(lambda _: True)
    machine.receive_data(HEADER + LS)
    assert machine.data_to_send() == [HEADER, b"\x01\n"]


@pytest.mark.req("MSS-08", "MSS-07", "GEN-04")
@pytest.mark.parametrize("message", [encode("/b"), LS, HEADER, b"\x01\n"])
def test_proposals_and_ls_count_against_one_cap(message: bytes) -> None:
    machine = make("/a")
    machine.receive_data(HEADER + LS + message * 126)
    assert not machine.done
    with pytest.raises(NegotiationError) as caught:
        machine.receive_data(encode("/a"))
    assert caught.value.requirement == "MSS-08"
    assert machine.done
    assert machine.protocol is None


@pytest.mark.req("MSS-08")
def test_the_last_message_under_the_cap_still_counts() -> None:
    machine = make("/a")
    machine.receive_data(HEADER + NA * 126 + encode("/a"))
    assert machine.protocol == "/a"


@pytest.mark.req("MSS-10", "SIMOPEN-01")
@pytest.mark.parametrize("proposal", ["/multistream/1.0.0", "/libp2p/simultaneous-connect"])
def test_a_repeated_header_and_simultaneous_open_are_refused_whatever_is_accepted(proposal: str) -> None:
    machine = Responder(lambda _: True)
    machine.receive_data(HEADER + encode(proposal))
    assert machine.data_to_send() == [HEADER, NA]
    machine.receive_data(encode("/a"))
    assert machine.protocol == "/a"


@pytest.mark.req("MSS-11")
@pytest.mark.parametrize(
    "payload", [b"", b"a", b"na", b"LS", b"\xff", b"/\xff\xfe", b"/\xed\xa0\x80", b"/a\n/b", b" /a"]
)
def test_what_is_no_protocol_id_is_refused_without_asking(payload: bytes) -> None:
    asked: list[str] = []

    def accept(protocol: str) -> bool:
        asked.append(protocol)
        return True

    machine = Responder(accept)
    machine.receive_data(HEADER + bytes([len(payload) + 1]) + payload + b"\n")
    assert machine.data_to_send() == [HEADER, NA]
    assert not machine.done
    assert asked == []


@pytest.mark.req("MSS-11")
def test_ids_are_compared_exactly_but_a_match_function_may_do_more() -> None:
    machine = make("/Chat/1.0.0")
    machine.receive_data(HEADER + encode("/chat/1.0.0") + encode("/Chat/1.0.0/") + encode("/Chat/1.0"))
    assert machine.data_to_send() == [HEADER, NA, NA, NA]
    machine = Responder(lambda protocol: protocol.startswith("/chat/1."))
    machine.receive_data(HEADER + encode("/chat/1.7.0"))
    assert machine.protocol == "/chat/1.7.0"


@pytest.mark.req("MSS-14")
def test_the_set_of_protocols_is_asked_anew_each_time() -> None:
    spoken: set[str] = set()
    machine = Responder(spoken.__contains__)
    machine.receive_data(HEADER + encode("/late"))
    spoken.add("/late")
    machine.receive_data(encode("/late"))
    assert machine.data_to_send() == [HEADER, NA, encode("/late")]


def test_an_error_of_the_callers_function_passes_through() -> None:
    def accept(protocol: str) -> bool:
        raise KeyError(protocol)

    with pytest.raises(KeyError):
        Responder(accept).receive_data(HEADER + encode("/a"))


INPUTS = {
    "header": HEADER,
    "known": encode("/a"),
    "unknown": encode("/b"),
    "ls": LS,
    "na": NA,
    "half": b"\x03/",
    "zero": b"\x00",
    "large": b"\x81\x08",
}
REFUSES, LISTS, WAITS, AGREES, ERROR, LOCAL = "na", "listing", "", "echo", "error", "local error"
OUTPUT = {REFUSES: NA, LISTS: b"\x05\x03/a\n\n", WAITS: b"", AGREES: encode("/a")}
NEGOTIATING = {
    "header": REFUSES,
    "known": AGREES,
    "unknown": REFUSES,
    "ls": LISTS,
    "na": REFUSES,
    "half": WAITS,
    "zero": ERROR,
    "large": ERROR,
}
TABLE = {
    "opened": (b"", dict.fromkeys(INPUTS, ERROR) | {"header": WAITS}),
    "greeted": (HEADER, NEGOTIATING),
    "refused one": (HEADER + encode("/b"), NEGOTIATING),
    "listed": (HEADER + LS, NEGOTIATING),
    "agreed": (HEADER + encode("/a"), dict.fromkeys(INPUTS, LOCAL)),
}


@pytest.mark.req("MSS-10", "MSS-04")
@pytest.mark.parametrize("state", TABLE)
@pytest.mark.parametrize("name", INPUTS)
def test_every_input_in_every_state(state: str, name: str) -> None:
    machine = make("/a")
    before, reactions = TABLE[state]
    machine.receive_data(before)
    machine.data_to_send()
    reaction = reactions[name]
    if reaction in OUTPUT:
        machine.receive_data(INPUTS[name])
        assert sent(machine) == OUTPUT[reaction]
    else:
        with pytest.raises(LocalError if reaction == LOCAL else NegotiationError):
            machine.receive_data(INPUTS[name])
        assert sent(machine) == b""
    assert machine.done == (reaction in {AGREES, ERROR, LOCAL})
