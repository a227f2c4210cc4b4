"""``python -m p2pstack``: the command line."""

import sys

from p2pstack.cli import main

if __name__ == "__main__":
    sys.exit(main())
