"""NATs for tests: hosts and routers that are network namespaces of this machine. It takes Linux and root."""

from p2pstack.testing.nat.namespaces import Host, Nat, Router, Topology, enter, leftovers, missing, sweep

__all__ = ["Host", "Nat", "Router", "Topology", "enter", "leftovers", "missing", "sweep"]
