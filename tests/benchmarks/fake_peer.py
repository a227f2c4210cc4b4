"""A peer that answers the common command line at once, with figures of its own: to test what drives peers.

`fake_peer.py SPEED VERB …`: all rates are multiples of SPEED. A negative SPEED makes every dial fail.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading

HELD: list[socket.socket] = []


def listen() -> dict[str, object]:
    server = socket.create_server(("127.0.0.1", 0))
    accepted = []

    def accept() -> None:
        while True:
            accepted.append(server.accept())

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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("speed", type=float)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("listen")
    dialer = verbs.add_parser("dial")
    dialer.add_argument("addr")
    dialer.add_argument("--do")
    dialer.add_argument("--concurrent", action="store_true")
    for name in ("count", "size", "streams", "workers", "window", "up", "down"):
        dialer.add_argument(f"--{name}", type=int, default=0)
    dialer.add_argument("--wait", "--seconds", type=float, default=0)
    arguments = parser.parse_args()
    event = listen() if arguments.verb == "listen" else dial(arguments)
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
    if arguments.verb == "listen" or HELD:
        sys.stdin.read()


if __name__ == "__main__":
    main()
