from __future__ import annotations

import json
from collections.abc import Mapping

from p2pstack.connection.machine import Connection
from p2pstack.connection.trace import Tracer
from p2pstack.errors import RemoteError
from p2pstack.testing.pair import Pair, make_endpoint
from p2pstack.yamux.config import INITIAL_WINDOW
from p2pstack.yamux.frames import ACK, FIN, SYN
from tests.connection.driving import ECHO, fails
from tests.yamux.driving import data, go_away, ping, update

Event = Mapping[str, object]


def test_events_have_a_time_a_name_and_their_data() -> None:
    events: list[Event] = []
    tracer = Tracer(events.append, 7, 100.0)
    tracer.event("first", value=1)
    tracer.now = 100.0000014
    tracer.event("second")
    assert events == [
        {"time": 0.0, "connection": 7, "name": "first", "value": 1},
        {"time": 0.000001, "connection": 7, "name": "second"},
    ]


def test_a_message_is_written_frame_by_frame() -> None:
    events: list[Event] = []
    tracer = Tracer(events.append, "c", 0.0)
    tracer.message(update(1, 9, ACK) + data(3, b"body", SYN | FIN) + ping(5) + go_away(2) + data(3))
    assert [event["type"] for event in events] == ["window-update", "data", "ping", "go-away", "data"]
    assert events[1] == {
        "time": 0.0, "connection": "c", "name": "frame", "direction": "out", "type": "data", "flags": "SYN|FIN",
        "stream": 3, "length": 4,
    }  # fmt: skip


def test_an_unknown_type_is_written_as_its_number() -> None:
    events: list[Event] = []
    Tracer(events.append, 1, 0.0).frame("in", 200, 0, 0, 0)
    assert events[0]["type"] == "200"


def traced(pair: Pair) -> dict[str, list[Event]]:
    """Give both sides of a pair, which has not begun, a tracer."""
    events: dict[str, list[Event]] = {"client": [], "server": []}
    for name, side in (("client", pair.client), ("server", pair.server)):
        side.tracer = side._negotiations._tracer = Tracer(events[name].append, name, 0.0)
    return events


def test_the_life_of_a_connection_in_lines_of_json() -> None:
    pair = Pair(server_protocols=[ECHO], latency=0.5)
    events = traced(pair)
    pair.run()
    pair.client.open_stream([ECHO], pair.now).write(b"hello")
    pair.run()
    pair.client.close()
    pair.run()
    for name, of_side in events.items():
        lines = [json.loads(json.dumps(event)) for event in of_side]
        assert [line["name"] for line in lines if line["name"] != "frame"] == ["opened", "protocol", "closed"]
        assert [(line["stream"], line["protocol"]) for line in lines if line["name"] == "protocol"] == [(1, ECHO)]
        times = [line["time"] for line in lines]
        assert times == sorted(times)
        assert {line["connection"] for line in lines} == {name}
    sent = [event for event in events["client"] if event.get("direction") == "out"]
    received = [event for event in events["server"] if event.get("direction") == "in"]
    strip = [{**event, "time": 0, "connection": "", "direction": ""} for event in sent]
    assert strip == [{**event, "time": 0, "connection": "", "direction": ""} for event in received]
    assert [event["type"] for event in sent] == ["ping", "ping", "data", "go-away"]
    opened = next(event for event in events["server"] if event["name"] == "opened")
    assert opened["peer"] == str(make_endpoint(1).identity.peer_id)


def test_the_reason_of_a_failure_is_written() -> None:
    events: list[Event] = []
    connection = Connection(make_endpoint(1), initiator=False, tracer=Tracer(events.append, 1, 0.0))
    error = fails(lambda: connection.receive_data(b"GET / HTTP/1.1\r\n\r\n", 2.0))
    assert isinstance(error, RemoteError)
    assert events == [{"time": 2.0, "connection": 1, "name": "closed", "reason": str(error)}]


def test_a_negotiation_that_fails_is_written() -> None:
    pair = Pair(server_protocols=[ECHO])
    events = traced(pair)
    pair.run()
    pair.client.open_stream(["/unknown/1"], pair.now)
    pair.run()
    [failed] = [event for event in events["client"] if event["name"] == "no-protocol"]
    assert failed["stream"] == 1
    assert "/unknown/1" in str(failed["reason"])


def test_a_window_that_grows_is_written() -> None:
    pair = Pair(server_protocols=[ECHO], latency=0.5)
    events = traced(pair)
    pair.run()
    pair.client.open_stream([ECHO], pair.now).write(bytes(INITIAL_WINDOW))
    pair.run()
    [inbound] = pair.take_opened(pair.server)
    inbound.take()
    grown = [(event["stream"], event["size"]) for event in events["server"] if event["name"] == "window"]
    assert grown == [(1, 2 * INITIAL_WINDOW)]
