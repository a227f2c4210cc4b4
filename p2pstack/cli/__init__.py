"""The command line: ``p2pstack peer`` for the interop tests and benchmarks, everything else for people."""

from p2pstack.cli.program import main

__all__ = ["main"]
