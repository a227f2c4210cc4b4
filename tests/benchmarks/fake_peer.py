"""A peer that answers the common command line at once, with figures of its own: to test what drives peers.

`fake_peer.py SPEED VERB …`: all rates are multiples of SPEED. A negative SPEED makes every dial fail. A tenth of the
gossip is lost when the publisher leaves within a second, and half of it always when SPEED is 1.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading

HELD: list[socket.socket] = []
PUBLISHED: list[int] = []
"""How many messages publishers have said that they sent."""


def listen() -> dict[str, object]:
    server = socket.create_server(("127.0.0.1", 0))
    accepted = []

    def accept() -> None:
        while True:
            accepted.append(server.accept())
            threading.Thread(target=hear, args=accepted[-1][:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return {"event": "listening", "addr": f"/ip4/127.0.0.1/tcp/{server.getsockname()[1]}/p2p/fake"}


def dial(arguments: argparse.Namespace) -> dict[str, object]:
    speed = arguments.speed
    if speed < 0:
        return {"event": "error", "error": "told to fail"}
    if arguments.do == "hold":
        port = int(arguments.addr.split("/")[4])
        HELD.extend(socket.create_connection(("127.0.0.1", port)) for _ in range(arguments.count))
        return {"event": "holding", "count": len(HELD)}
    return {
        "ping": {"event": "ping", "rtts_us": [9000] * 50 + [100 / speed] * (arguments.count - 50)},
        "echo": {"event": "echo", "seconds": arguments.streams / (1000 * speed)},
        "connect": {"event": "connect", "seconds": arguments.count / (100 * speed)},
        "perf": {
            "event": "perf",
            "up_seconds": arguments.up / (1e8 * speed),
            "down_seconds": arguments.down / (2e8 * speed),
        },
    }[arguments.do]


def hear(connection: socket.socket) -> None:
    if told := connection.recv(100):
        PUBLISHED.append(int(told))
        connection.send(b"!")


def gossip(arguments: argparse.Namespace) -> dict[str, object]:
    lost = 0.5 if arguments.speed == 1 else 0.1 if arguments.settle < 1 else 0
    for address in arguments.addresses:
        with socket.create_connection(("127.0.0.1", int(address.split("/")[4]))) as connection:
            connection.send(str(round(arguments.publish * (1 - lost))).encode())
            connection.recv(1)
    return {"event": "gossip", "sent": arguments.publish}


def summary(arguments: argparse.Namespace) -> dict[str, object]:
    received = sum(PUBLISHED)
    return {
        "event": "gossip-summary" if arguments.count_only else "summary",
        "received": received,
        "receive_seconds" if arguments.count_only else "receive_span_seconds": received / (1000 * arguments.speed),
        "latency_us_p50": 200 / arguments.speed,
        "latency_us_p99": 300 / arguments.speed,
        "latency_us_max": 400_000,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("speed", type=float)
    verbs = parser.add_subparsers(dest="verb", required=True)
    listener = verbs.add_parser("listen")
    publisher = verbs.add_parser("gossip")
    publisher.add_argument("addresses", nargs="+")
    publisher.add_argument("--publish", type=int)
    publisher.add_argument("--settle", "--wait", type=float)
    for verb, names in ((listener, ("topic", "gossip-profile")), (publisher, ("topic", "gossip-profile", "settle-ms"))):
        for name in (*names, "size", "rate"):
            verb.add_argument(f"--{name}")
    for name in ("quiet", "count-only"):
        listener.add_argument(f"--{name}", action="store_true")
    dialer = verbs.add_parser("dial")
    dialer.add_argument("addr")
    dialer.add_argument("--do")
    dialer.add_argument("--concurrent", action="store_true")
    for name in ("count", "size", "streams", "workers", "window", "up", "down"):
        dialer.add_argument(f"--{name}", type=int, default=0)
    dialer.add_argument("--wait", "--seconds", type=float, default=0)
    arguments = parser.parse_args()
    emit({"listen": lambda _: listen(), "dial": dial, "gossip": gossip}[arguments.verb](arguments))
    if arguments.verb == "listen" or HELD:
        sys.stdin.read()
    if arguments.verb == "listen" and arguments.topic:
        emit(summary(arguments))


def emit(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
