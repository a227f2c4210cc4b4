from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalError, NegotiationError, ProtocolNotSupported
from p2pstack.multistream import Initiator, Lister, MultistreamConfig, Responder
from p2pstack.multistream.messages import HEADER, LS, NA, encode, encode_listing
from tests.multistream.driving import converse, cuts, feed, sent
from tests.vectors import load


@pytest.mark.req("MSS-02", "MSS-06")
def test_header_and_first_proposal_leave_in_one_buffer() -> None:
    assert Initiator(["/noise", "/tls/1.0.0"]).data_to_send() == [
        bytes.fromhex("132f6d756c746973747265616d2f312e302e300a072f6e6f6973650a")
    ]


@pytest.mark.req("MSS-04")
def test_each_refusal_brings_the_next_proposal() -> None:
    machine = Initiator(["/a", "/b", "/c"])
    machine.data_to_send()
    machine.receive_data(HEADER)
    assert machine.data_to_send() == []
    machine.receive_data(NA)
    assert machine.data_to_send() == [encode("/b")]
    machine.receive_data(NA + encode("/c") + b"rest")
    assert machine.data_to_send() == [encode("/c")]
    assert (machine.done, machine.protocol, machine.trailing) == (True, "/c", b"rest")
    assert machine.protocols == ("/a", "/b", "/c")


@pytest.mark.req("MSS-04")
def test_when_all_are_refused_the_error_says_what_was_offered() -> None:
    machine = Initiator(["/a", "/b"])
    machine.receive_data(HEADER + NA)
    with pytest.raises(ProtocolNotSupported, match="none of: /a, /b") as caught:
        machine.receive_data(NA)
    assert caught.value.offered == ("/a", "/b")
    assert machine.done
    assert machine.protocol is None


@pytest.mark.req("MSS-03")
@pytest.mark.parametrize(
    "answer",
    [encode("/b"), encode("/A"), encode("/a/"), LS, HEADER, b"\x01\n", b"\x03\xff\xfe\n", b"\x04na \n", b"\x04/a\n\n"],
)
def test_an_answer_that_is_neither_the_proposal_nor_na_is_an_error(answer: bytes) -> None:
    for machine in (Initiator(["/a", "/b"]), Initiator(["/a"], lazy=True)):
        with pytest.raises(NegotiationError) as caught:
            machine.receive_data(HEADER + answer)
        assert caught.value.requirement == "MSS-03"
        assert machine.done
        assert machine.trailing == b""


@pytest.mark.req("MSS-06")
def test_a_lazy_initiator_has_one_protocol_and_one_try() -> None:
    machine = Initiator(["/a"], lazy=True)
    assert machine.lazy
    assert not Initiator(["/a"]).lazy
    with pytest.raises(ProtocolNotSupported):
        machine.receive_data(HEADER + NA)
    with pytest.raises(LocalError):
        Initiator(["/a", "/b"], lazy=True)


@pytest.mark.req("MSS-06", "MSS-12")
def test_a_lazy_initiator_may_send_everything_and_close_before_any_answer() -> None:
    dialer, listener = Initiator(["/echo/1.0.0"], lazy=True), Responder({"/echo/1.0.0"}.__contains__)
    listener.receive_data(sent(dialer) + b"request")
    listener.receive_eof()
    assert listener.trailing == b"request"
    assert feed(dialer, sent(listener) + b"response", [1] * 60) == b"response"
    assert dialer.protocol == "/echo/1.0.0"


@pytest.mark.req("MSS-08")
def test_it_proposes_no_more_than_a_negotiation_may_hold() -> None:
    config = MultistreamConfig(max_messages=4)
    machine, peer = Initiator(["/a", "/b", "/c"], config=config), Responder({"/c"}.__contains__, config=config)
    converse(machine, peer)
    assert machine.protocol == "/c"
    for protocols in ([], ["/a", "/b", "/c", "/d"]):
        with pytest.raises(LocalError):
            Initiator(protocols, config=config)


@pytest.mark.req("MSS-11")
def test_it_proposes_only_what_is_an_id() -> None:
    with pytest.raises(LocalError):
        Initiator(["/a", "b"])


INPUTS = {"header": HEADER, "na": NA, "echo": encode("/b"), "other": encode("/x"), "half": b"\x03/", "zero": b"\x00"}
ALIVE, AGREED, REFUSED, ERROR, EXHAUSTED = "alive", "agreed", "local error", "error", "not supported"
TABLE: dict[str, tuple[bytes, dict[str, str]]] = {
    # state: how to get there, and what each input (the header, na, ...) does; input that is not named is an error
    "opened": (b"", {"header": ALIVE}),
    "first proposed": (HEADER, {"na": ALIVE, "half": ALIVE}),
    "last proposed": (HEADER + NA, {"na": EXHAUSTED, "echo": AGREED, "half": ALIVE}),
    "agreed": (HEADER + NA + encode("/b"), dict.fromkeys(INPUTS, REFUSED)),
}


@pytest.mark.req("MSS-03", "MSS-10")
@pytest.mark.parametrize("state", TABLE)
@pytest.mark.parametrize("name", INPUTS)
def test_every_input_in_every_state(state: str, name: str) -> None:
    machine = Initiator(["/a", "/b"])
    before, reactions = TABLE[state]
    machine.receive_data(before)
    reaction = reactions.get(name, ERROR)
    errors = {ERROR: NegotiationError, EXHAUSTED: ProtocolNotSupported, REFUSED: LocalError}
    if reaction in errors:
        with pytest.raises(errors[reaction]) as caught:
            machine.receive_data(INPUTS[name])
        assert type(caught.value) is errors[reaction]
    else:
        machine.receive_data(INPUTS[name])
    assert machine.done == (reaction != ALIVE)
    assert machine.protocol == ("/b" if reaction in {AGREED, REFUSED} else None)


@pytest.mark.req("MSS-07")
def test_a_lister_asks_and_reads_the_answer_of_rust() -> None:
    machine = Lister()
    assert machine.data_to_send() == [HEADER + LS]
    machine.receive_data(HEADER)
    assert not machine.done
    machine.receive_data(bytes.fromhex(load("multistream")["rust_ls_answer"]["hex"]))
    assert machine.done
    assert machine.listed == ("/noise",)
    assert machine.protocol is None


@pytest.mark.req("MSS-07")
def test_a_lister_reads_the_answer_of_go() -> None:
    machine = Lister()
    machine.receive_data(HEADER + NA)
    assert machine.done
    assert machine.listed is None


@pytest.mark.req("MSS-07", "MSS-08")
@given(st.integers(0, 40), cuts)
def test_a_lister_reads_our_own_answer_up_to_its_limit(count: int, sizes: list[int]) -> None:
    names = [f"/p/{n}" for n in range(count)]
    machine = Lister(config=MultistreamConfig(max_listed=30))
    peer = Responder(lambda _: False, lambda: names)
    if count > 30:
        with pytest.raises(NegotiationError, match="more than 30"):
            converse(machine, peer, sizes)
        assert machine.listed is None
    else:
        converse(machine, peer, sizes)
        assert machine.listed == tuple(names)
    assert machine.done
    assert not peer.done


@pytest.mark.req("MSS-08")
def test_a_listing_may_be_larger_than_other_messages() -> None:
    body = encode("/x") * 1000 + b"\n"
    assert encode_listing(["/x"] * 1000, max_names=1000) is None
    machine = Lister()
    machine.receive_data(HEADER + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body)
    assert machine.listed == ("/x",) * 1000
    machine = Lister(config=MultistreamConfig(max_listing=1024))
    with pytest.raises(NegotiationError, match="over the limit"):
        machine.receive_data(HEADER + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]))
