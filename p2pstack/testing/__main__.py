"""``python -m p2pstack.testing``: simulated networks on the command line."""

import sys

from p2pstack.testing.simulation.command import main

if __name__ == "__main__":
    sys.exit(main())
