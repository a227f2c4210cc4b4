"""The stacks under test: how each peer is started, which flags are its own, how large its runs are."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.environments import PY_LIBP2P, has_node, js_libp2p_peer, py_libp2p_python
from benchmarks.processes import REPOSITORY, RunFailed
from tests.interop import build

__all__ = [
    "DHT_NAMES",
    "NAMES",
    "PYTHON_NAMES",
    "RELAY_NAMES",
    "Options",
    "Sizes",
    "Stack",
    "default_names",
    "find_stacks",
    "own_stack",
]

NAMES = ("p2pstack", "go", "rust", "py-libp2p", "js")
PYTHON_NAMES = ("p2pstack", "py-libp2p")
"""Those that have an import to be timed."""
DHT_NAMES = ("p2pstack", "go", "rust")
"""Those whose peer takes part in a DHT."""
RELAY_NAMES = ("p2pstack", "go", "rust")
"""Those whose peer relays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much each run does."""

    bulk_seconds: float = 1.3
    """Time that a bulk transfer should take; its bytes are worked out from a first, small one."""
    bulk_probe: int = 64 << 20
    """Bytes of that first transfer."""
    warm_pings: int = 200
    pings: int = 2000
    streams: int = 2000
    at_once: int = 100
    upgrades: int = 400
    connections: int = 500
    imports: int = 5
    gossip_one: int = 20_000
    """Messages for one subscriber, as fast as they go: more than a second, as below."""
    gossip_ten: int = 2_000
    """Messages for ten subscribers."""
    gossip_timed: int = 2_000
    """Messages at a thousand a second."""
    relayed_bytes: int = 200_000_000
    """Bytes up, and as many down, through a relay whose circuits carry a gigabyte."""
    dht_nodes: int = 20
    lookups: int = 1_000
    """In a network of so many nodes."""
    dht_rest: float = 12.0
    """Before them: nodes that have entered look their tables over once more, ours after ten seconds."""
    simulated_nodes: int = 1000
    shinkai: int = 4000
    """Messages from one Shinkai node to another."""
    idle_seconds: float = 1.0
    """Rest before resident memory is read."""
    deadline: float = 60.0
    """Seconds after which an external run counts as failed."""

    def quick(self) -> Sizes:
        """About a tenth of the work: to see that everything runs, not to be quoted."""
        return replace(
            self,
            bulk_seconds=0.2,
            warm_pings=min(self.warm_pings, 50),
            pings=min(self.pings, 300),
            streams=min(self.streams, 300),
            upgrades=max(self.upgrades // 8, 5),
            connections=max(self.connections // 8, 5),
            gossip_one=self.gossip_one // 10,
            gossip_ten=self.gossip_ten // 10,
            gossip_timed=self.gossip_timed // 10,
            relayed_bytes=self.relayed_bytes // 10,
            lookups=self.lookups // 10,
            dht_rest=0.0,
            simulated_nodes=self.simulated_nodes // 10,
            shinkai=self.shinkai // 10,
            imports=2,
            idle_seconds=0.5,
            deadline=30.0,
        )


GO_SIZES = Sizes(gossip_one=8_000)

PY_LIBP2P_SIZES = Sizes(
    bulk_probe=4 << 20,
    warm_pings=50,
    pings=500,
    streams=300,
    upgrades=20,
    connections=20,
    gossip_one=1000,
    gossip_ten=100,
    gossip_timed=1000,
    deadline=90.0,
)
"""py-libp2p waits about 0.4 s in every dial and close, so that larger counts only measure those waits again."""

JS_SIZES = Sizes(bulk_probe=16 << 20, upgrades=200, connections=200, gossip_one=4_000, gossip_ten=200)
"""Enough for the compiler of Node to warm up; a js host of its own for each connection takes a while to make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One implementation behind the common peer command line."""

    name: str
    command: tuple[str, ...]
    version: str
    flags: tuple[str, ...] = ()
    """Flags that follow every verb."""
    environment: Mapping[str, str] = field(default_factory=dict)
    window_flag: str | None = None
    """The flag that bounds how many of `--concurrent` streams are open at once, where there is one."""
    hold_flag: str = "--wait"
    """The flag that says how long `--do hold` keeps its connections."""
    gossip_flags: tuple[str, ...] = ()
    """Flags of both sides of gossip."""
    subscribe_flags: tuple[str, ...] = ()
    """Flags of a listener that receives a topic, besides `--quiet`."""
    summary_event: str = "summary"
    """The event in which it says what it received."""
    publish_flags: tuple[str, ...] = ()
    stay_flag: str = "--settle"
    """The flag that says how long a publisher stays after its last message."""
    import_command: tuple[str, ...] = ()
    """An interpreter and the statement that imports what a host needs, for Python stacks."""
    sizes: Sizes = Sizes()

    def listen(self) -> list[str]:
        """The command that listens on a port of its own choice."""
        return [*self.command, "listen", *self.flags]

    def relay(self) -> list[str]:
        """The command that relays, too, circuits of a gigabyte."""
        return [*self.listen(), "--relay", "--relay-shinkai"]

    def dial(self, address: str, what: str, *arguments: str) -> list[str]:
        """The command that dials `address` and does `what`."""
        return [*self.command, "dial", address, "--do", what, *arguments, *self.flags]

    def subscribe(self, topic: str) -> list[str]:
        """The command that listens, counts what comes in `topic`, and tells at the end."""
        return [*self.listen(), "--topic", topic, "--quiet", *self.gossip_flags, *self.subscribe_flags]

    def publish(
        self, addresses: Sequence[str], topic: str, *, count: int, size: int, rate: int, stay: float
    ) -> list[str]:
        """The command that publishes to those at `addresses`: `rate` a second, 0 as fast as it can."""
        amounts = {"--publish": count, "--size": size, "--rate": rate, self.stay_flag: stay}
        values = [word for flag, value in amounts.items() for word in (flag, str(value))]
        flags = [*self.gossip_flags, *self.publish_flags, *self.flags]
        return [*self.command, "gossip", *addresses, "--topic", topic, *values, *flags]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said about the stacks. `go` and `rust` are paths of peers that are already built."""

    stacks: Sequence[str] = NAMES
    extra: Sequence[str] = ()
    go: Path | None = None
    rust: Path | None = None
    loop: str | None = None
    spin: int | None = None
    quick: bool = False


def default_names() -> list[str]:
    """All stacks, js only where Node is installed: nothing else needs it."""
    return [name for name in NAMES if name != "js" or has_node()]


def find_stacks(options: Options) -> tuple[list[Stack], dict[str, str]]:
    """The stacks that can run, and for those that cannot, the reason.

    Raises ValueError for a name that is not known or an `--extra` without `NAME=COMMAND`.
    """
    makers: dict[str, Callable[[Options], Stack]] = {
        "p2pstack": own_stack,
        "go": _go,
        "rust": _rust,
        "py-libp2p": _py_libp2p,
        "js": _js,
    }
    found: list[Stack] = []
    missing: dict[str, str] = {}
    for name in options.stacks:
        if name not in makers:
            raise ValueError(f"unknown stack {name!r}: one of {', '.join(NAMES)}")
        try:
            found.append(makers[name](options))
        except RunFailed as error:
            missing[name] = str(error)
    found += [_extra(text) for text in options.extra]
    if options.quick:
        found = [replace(stack, sizes=stack.sizes.quick()) for stack in found]
    return found, missing


def own_stack(options: Options) -> Stack:
    """What is tested here."""
    flags: list[str] = []
    if options.loop is not None:
        flags += ["--loop", options.loop]
    if options.spin is not None:
        flags += ["--spin", str(options.spin)]
    return Stack(
        name="p2pstack",
        command=(sys.executable, "-m", "p2pstack", "peer"),
        version=_own_version(),
        flags=tuple(flags),
        window_flag="--workers",
        import_command=(sys.executable, "from p2pstack import Host"),
    )


def _go(options: Options) -> Stack:
    command = (_peer("go", options.go),)
    version = build.library_version("go")
    return Stack(name="go", command=command, version=version, window_flag="--workers", sizes=GO_SIZES)


def _rust(options: Options) -> Stack:
    return Stack(
        name="rust",
        command=(_peer("rust", options.rust),),
        version=build.library_version("rust"),
        window_flag="--window",
        hold_flag="--seconds",
        # The library's own settings, and as long for all to get into the mesh as other peers wait by themselves.
        gossip_flags=("--gossip-profile", "default"),
        subscribe_flags=("--count-only",),
        summary_event="gossip-summary",
        publish_flags=("--settle-ms", "500"),
        stay_flag="--wait",
    )


def _py_libp2p(_: Options) -> Stack:
    python = str(py_libp2p_python())
    return Stack(
        name="py-libp2p",
        command=(python, str(REPOSITORY / "benchmarks" / "peers" / "py_libp2p_peer.py")),
        version=PY_LIBP2P,
        window_flag="--workers",
        import_command=(python, "from libp2p import new_host"),
        sizes=PY_LIBP2P_SIZES,
    )


def _js(_: Options) -> Stack:
    peer, version = js_libp2p_peer()
    return Stack(name="js", command=("node", str(peer)), version=version, window_flag="--workers", sizes=JS_SIZES)


def _extra(text: str) -> Stack:
    """`NAME=[VARIABLE=VALUE …] COMMAND …`: a further peer with the common command line."""
    name, separator, command = text.partition("=")
    words = shlex.split(command)
    environment = {}
    while words and "=" in words[0]:
        variable, _, value = words.pop(0).partition("=")
        environment[variable] = value
    if not name or not separator or not words or name in NAMES:
        raise ValueError(f"--extra {text!r}: NAME=COMMAND with a new name is expected")
    return Stack(name=name, command=tuple(words), version="-", environment=environment)


def _peer(kind: str, given: Path | None) -> str:
    """The path of the go or rust peer: the one given, or what the interoperability tests build."""
    if given is None:
        try:
            given = build.binary(kind)
        except (build.BuildFailed, build.ToolMissing) as error:
            raise RunFailed(str(error).splitlines()[0]) from error
    if not given.is_file():
        raise RunFailed(f"no {kind} peer at {given}")
    return str(given)


def _own_version() -> str:
    text = (REPOSITORY / "pyproject.toml").read_text()
    return text.partition('\nversion = "')[2].partition('"')[0] or "unknown"
