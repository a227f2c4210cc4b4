"""A small internet of network namespaces: a public net, routers that translate addresses, and hosts behind them.

::

    with Topology(delay_ms=10) as net:
        relay = net.host(Nat.PUBLIC)              # 5.10.0.1, on the public net itself
        left = net.host(Nat.PORT_PRESERVING)      # 192.168.1.2 behind a router that is 5.10.0.101
        right = net.router(Nat.SYMMETRIC).host()  # 192.168.2.2 behind 5.10.0.102; more hosts may follow
        left.run("ip", "route")                   # a program that ends, inside
        listener = left.inside(make_socket)       # a function, in a thread inside; what it opens stays inside

The addresses look public because peers leave private ones out. All that exists lives in namespaces called
``p2pnat-PID-NUMBER-…`` and goes with them: at the end of the block, whatever ended it, SIGTERM included. A process that
was killed can't clean up, so each topology first sweeps what dead processes left.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self, TypeVar

__all__ = ["Host", "Nat", "Router", "Topology", "enter", "leftovers", "missing", "sweep"]

Result = TypeVar("Result")

FOLDER = Path("/run/netns")
TUN = Path("/dev/net/tun")
PREFIX = "p2pnat"
NAME = re.compile(PREFIX + r"-(\d+)-\d+-\w+")

COMMAND_SECONDS = 20.0
START_SECONDS = 20.0
STOP_SECONDS = 5.0

FIRST_ROUTER = 101
"""Last part of the public address of the first router; public hosts count from 1."""
MAX_NODES = 50
"""Public hosts, routers, and hosts of one router, each: what the numbering of addresses has room for."""

CLONE_NEWNET = 0x40000000

_counter = itertools.count(1)


class Nat(enum.Enum):
    """What stands between a host and the public net."""

    PUBLIC = "public"
    """Nothing: the host has a public address."""
    PORT_PRESERVING = "port-preserving"
    """A router that keeps the source port where it is free, and lets in only what answers. Holes can be punched."""
    REFUSING = "refusing"
    """The same, but what nobody inside has asked for is answered with a reset, as by a router without a firewall. Holes
    can be punched if the first packets of both sides cross on the way: that takes a delay."""
    SYMMETRIC = "symmetric"
    """A router that takes a random port for each connection, so that nobody can tell where to punch."""


def missing() -> str | None:
    """Why no topology can be built here, or ``None``."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool, package in (("ip", "iproute2"), ("nft", "nftables"), ("unshare", "util-linux")):
        if shutil.which(tool) is None:
            return f"`{tool}` is not on the PATH (Debian: apt-get install {package})"
    if not TUN.exists():
        return f"{TUN} is missing: delays are made with it"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, timeout=COMMAND_SECONDS, check=False)
    if probe.returncode != 0:
        return f"no network namespace can be made: {probe.stderr.decode(errors='replace').strip()}"
    return None


def enter(namespace: str) -> None:
    """Move the calling thread into a namespace; sockets that it opens from then on belong there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (FOLDER / namespace).open() as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"setns to {namespace}: {os.strerror(number)}")


def leftovers(pid: int) -> list[str]:
    """Names of the namespaces that the process ``pid`` made and that still exist."""
    if not FOLDER.is_dir():
        return []
    found = [(NAME.fullmatch(path.name), path.name) for path in FOLDER.iterdir()]
    return sorted(name for match, name in found if match is not None and int(match[1]) == pid)


def sweep() -> list[str]:
    """Remove the namespaces of processes that are gone, and end what still runs in them; returns their names."""
    names = [path.name for path in FOLDER.iterdir()] if FOLDER.is_dir() else []
    swept = []
    for name in names:
        match = NAME.fullmatch(name)
        if match is not None and not Path("/proc", match[1]).exists():
            _remove(name)
            swept.append(name)
    return swept


def _remove(name: str) -> None:
    """Remove a namespace after all processes in it, which are ours: nobody else knows of it."""
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, timeout=COMMAND_SECONDS, check=False)
    for pid in map(int, listed.stdout.split()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # Another process may have swept it meanwhile, so a failure says nothing as long as the name is gone.
    subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=COMMAND_SECONDS, check=False)
    if (FOLDER / name).exists():
        raise OSError(f"the namespace {name} could not be removed")


def _call(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=COMMAND_SECONDS, check=False)
    if done.returncode != 0:
        raise OSError(f"`{' '.join(command)}` ended with status {done.returncode}: {done.stderr.strip()}\n{text}")
    return done.stdout


@dataclass(frozen=True)
class Host:
    """A machine: a namespace with one interface."""

    namespace: str
    address: str
    """Its own IPv4 address, private behind a router."""
    public_address: str
    """The address that others see: its own, or its router's."""

    @property
    def prefix(self) -> list[str]:
        """What a command line begins with, so that it runs here. The process keeps its pid."""
        return ["ip", "netns", "exec", self.namespace]

    def run(self, *command: str, text: str = "") -> str:
        """Run a program to its end, at most 20 seconds, and return what it printed.

        Raises:
            OSError: it ended with a status that is not 0.
        """
        return _call(*self.prefix, *command, text=text)

    def inside(self, function: Callable[[], Result]) -> Result:
        """Call ``function`` in a thread in the namespace, and return what it returns.

        A socket that it opens works from any thread afterwards, an event loop's as well. It must not wait for long:
        nothing ends it.
        """

        def call() -> Result:
            enter(self.namespace)
            return function()

        with ThreadPoolExecutor(1, self.namespace) as thread:
            return thread.submit(call).result()


@dataclass
class Router:
    """A router and its LAN, 192.168.NUMBER.0/24, of which it is the first machine."""

    topology: Topology
    namespace: str
    public_address: str
    number: int
    hosts: int = 0

    def host(self) -> Host:
        """Add a machine to the LAN."""
        self.hosts += 1
        if self.hosts > MAX_NODES:
            raise ValueError(f"a LAN has room for {MAX_NODES} hosts")
        address = f"192.168.{self.number}.{self.hosts + 1}"
        namespace = self.topology.namespace(f"lan{self.number}host{self.hosts}")
        port = f"port{self.hosts}"
        _batch(
            f"-n {namespace} link add eth0 type veth peer name {port} netns {self.namespace}",
            f"-n {self.namespace} link set {port} master lan up",
            f"-n {namespace} addr add {address}/24 dev eth0",
            f"-n {namespace} link set eth0 up",
            f"-n {namespace} route add default via 192.168.{self.number}.1",
        )
        return Host(namespace, address, self.public_address)


def _batch(*commands: str) -> None:
    """Run commands of ``ip``, in order, the first that fails being the last."""
    for command in commands:
        _call("ip", *command.split())


def _rules(nat: Nat, router: Router) -> str:
    # Without a drop on input the router itself answers the SYN that comes before its own side has sent one, and the
    # reset that it answers with ends the other's attempt. Routers for homes drop.
    randomly = " random,fully-random" if nat is Nat.SYMMETRIC else ""
    drop = "" if nat is Nat.REFUSING else 'iifname "ext" ct state new drop;'
    return f"""
table ip nat {{
    chain outgoing {{
        type nat hook postrouting priority 100;
        oifname "ext" ip saddr 192.168.{router.number}.0/24 snat to {router.public_address}{randomly}
    }}
}}
table inet filter {{
    chain input {{ type filter hook input priority 0; {drop} }}
    chain forward {{ type filter hook forward priority 0; iifname "ext" ct state new drop; }}
}}
"""


class Topology:
    """Builds and removes it all. Not for several threads.

    Args:
        delay_ms: how long each router's way to the public net takes, one way. Public hosts have none of their own.
    """

    def __init__(self, delay_ms: float = 0.0) -> None:
        self._delay_ms = delay_ms
        self._number = next(_counter)
        self._namespaces: list[str] = []
        self._forwarders: list[subprocess.Popen[str]] = []
        self._public_hosts = 0
        self._routers = 0
        self._ports = itertools.count(1)
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        sweep()
        self._cleanup.enter_context(_sigterm_raises())
        self._cleanup.callback(self._close)
        try:
            self._bridge = self.namespace("bridge")
            _batch(f"-n {self._bridge} link add br0 type bridge", f"-n {self._bridge} link set br0 up")
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def namespace(self, label: str) -> str:
        """Make an empty namespace, with a loopback that works; returns its name."""
        name = f"{PREFIX}-{os.getpid()}-{self._number}-{label}"
        self._namespaces.append(name)  # before it exists: an interruption may come in between
        _batch(f"netns add {name}", f"-n {name} link set lo up")
        return name

    def host(self, nat: Nat, delay_ms: float | None = None) -> Host:
        """A machine on the public net, or the only one behind a router of its own.

        Its way to the public net takes ``delay_ms``, if that is given.
        """
        if nat is not Nat.PUBLIC:
            return self.router(nat, delay_ms).host()
        self._public_hosts += 1
        if self._public_hosts > MAX_NODES:
            raise ValueError(f"the public net has room for {MAX_NODES} hosts")
        address = f"5.10.0.{self._public_hosts}"
        namespace = self.namespace(f"public{self._public_hosts}")
        self._attach(namespace, "eth0", address, delay_ms=delay_ms or 0.0)
        return Host(namespace, address, address)

    def router(self, nat: Nat, delay_ms: float | None = None) -> Router:
        """A router with an empty LAN; ``delay_ms`` in place of the topology's."""
        if nat is Nat.PUBLIC:
            raise ValueError("a public host has no router")
        self._routers += 1
        if self._routers > MAX_NODES:
            raise ValueError(f"the public net has room for {MAX_NODES} routers")
        number = self._routers
        router = Router(self, self.namespace(f"router{number}"), f"5.10.0.{FIRST_ROUTER - 1 + number}", number)
        space = router.namespace
        _batch(
            f"-n {space} link add lan type bridge",
            f"-n {space} addr add 192.168.{number}.1/24 dev lan",
            f"-n {space} link set lan up",
        )
        rules = "echo 1 >/proc/sys/net/ipv4/ip_forward && exec nft -f -"
        _call("ip", "netns", "exec", space, "sh", "-c", rules, text=_rules(nat, router))
        delay = self._delay_ms if delay_ms is None else delay_ms
        self._attach(space, "ext", router.public_address, delay_ms=delay)
        return router

    def _attach(self, namespace: str, interface: str, address: str, *, delay_ms: float) -> None:
        """Connect a namespace to the public net, by a cable or by a forwarder that delays."""
        port = f"port{next(self._ports)}"
        if delay_ms:
            _batch(
                f"-n {namespace} tuntap add dev {interface} mode tap",
                f"-n {self._bridge} tuntap add dev {port} mode tap",
            )
            self._forward((namespace, interface), (self._bridge, port), delay_ms)
        else:
            _batch(f"-n {namespace} link add {interface} type veth peer name {port} netns {self._bridge}")
        _batch(
            f"-n {self._bridge} link set {port} master br0 up",
            f"-n {namespace} addr add {address}/24 dev {interface}",
            f"-n {namespace} link set {interface} up",
        )

    def _forward(self, one: tuple[str, str], other: tuple[str, str], delay_ms: float) -> None:
        command = [sys.executable, "-m", "p2pstack.testing.nat.delay", str(delay_ms), *one, *other]
        pipe = subprocess.PIPE
        forwarder = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self._forwarders.append(forwarder)
        assert forwarder.stdout is not None
        overdue = threading.Timer(START_SECONDS, forwarder.kill)
        overdue.start()
        try:
            line = forwarder.stdout.readline()
        finally:
            overdue.cancel()
        if line != "ready\n":
            raise OSError(f"`{' '.join(command)}` did not start within {START_SECONDS:g} s")

    def _close(self) -> None:
        """Remove everything. What fails does not keep the rest from being removed."""
        with contextlib.ExitStack() as stack:  # the last one that was entered comes first
            for name in self._namespaces:
                if (FOLDER / name).exists():
                    stack.callback(_remove, name)
            for forwarder in self._forwarders:
                stack.callback(_stop, forwarder)
        self._namespaces.clear()
        self._forwarders.clear()


def _stop(process: subprocess.Popen[str]) -> None:
    """Close the stdin of a forwarder, which asks it to leave, and force it if it does not."""
    with process:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """SIGTERM, where it would end the process at once, does what Ctrl-C does: blocks are left in order.

    As a rule that is KeyboardInterrupt; asyncio cancels its main task. SystemExit would only fail the test that pytest
    is at.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break into the cleaning up
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # ignored, as of programs that a shell has started in the background
            raise KeyboardInterrupt("SIGTERM")
        interrupt(signal.SIGINT, frame)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
