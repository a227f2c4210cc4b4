"""A simulated network of p2pstack's gossipsub: what its start, and then a heartbeat and a message, cost."""

import argparse
import json
import time

from p2pstack.testing.simulation.network import Network
from p2pstack.testing.simulation.scenarios import warm_up

SEED = 7
MESSAGE_BYTES = 1024
HEARTBEAT_SECONDS = 1.0


def main() -> None:
    """Print one event with seconds of this process, and to how many nodes the message got."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    arguments = parser.parse_args()
    start = time.process_time()
    network = Network(seed=SEED)
    # Meshes form, and every node has had heartbeats.
    warm_up(network, arguments.nodes)
    ready = time.process_time()
    trace = network.publish(0, size=MESSAGE_BYTES)
    network.run(HEARTBEAT_SECONDS)
    event = {
        "event": "simulation",
        "start_seconds": ready - start,
        "seconds": time.process_time() - ready,
        "delivered": trace.ratio,
    }
    print(json.dumps(event))


if __name__ == "__main__":
    main()
