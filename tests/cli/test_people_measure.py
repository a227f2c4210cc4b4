from __future__ import annotations

import json
import signal

from p2pstack import Host
from p2pstack.cli.people_measure import percentile
from p2pstack.services.perf import serve_perf
from tests.cli.commands import Commands, start

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


def test_percentiles() -> None:
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 3.0
    assert percentile(list(range(1000)), 0.99) == 990
    assert percentile([1.0, 2.0], 1.0) == 2.0


async def test_ping(commands: Commands) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        shown = await commands.beside("ping", host.full_addresses[0], "--count", 3, "--interval", 0)
        assert (shown.status, shown.err) == (0, "")
        lines = shown.out.splitlines()
        assert lines[0] == f"PING {host.peer_id}"
        assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
        assert lines[4].startswith("  3 pings: min ")
        [told] = (await commands.beside("ping", host.full_addresses[0], "--interval", 0, "--json")).json
        assert len(told["rtts_us"]) == 5
        assert 0 < told["min_us"] <= told["median_us"] <= told["max_us"]


def test_ctrl_c_ends_endless_pings_with_their_sum() -> None:
    with start("listen", "--json") as node:
        assert node.stdout is not None
        [address] = json.loads(node.stdout.readline())["addresses"]
        with start("ping", address, "--forever", "--interval", 0) as running:
            assert running.stdout is not None
            for _ in range(4):
                running.stdout.readline()
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=20)
        node.terminate()
        node.communicate(timeout=20)
    assert (running.returncode, err) == (130, "")
    assert " pings: min " in out.splitlines()[-1]
    assert node.returncode == 0


async def test_perf(commands: Commands) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        serve_perf(host)
        shown = await commands.beside("perf", host.full_addresses[0], "--up", "3M", "--down", "2M")
        assert (shown.status, shown.err) == (0, "")
        head, up, down = shown.out.splitlines()
        assert head == f"{host.peer_id}: 3 MB up, 2 MB down"
        assert up.split()[0] == "up"
        assert down.split()[0] == "down"
        assert "MB/s" in up
        [told] = (await commands.beside("perf", host.full_addresses[0], "--up", 0, "--down", "1MiB", "--json")).json
        assert (told["peer_id"], told["up_bytes"], told["down_bytes"]) == (str(host.peer_id), 0, 1 << 20)
        assert told["down_seconds"] > 0
        [line] = (await commands.beside("perf", host.full_addresses[0], "--up", 1, "--down", 0)).out.splitlines()[1:]
        assert line.split()[0] == "up"


async def test_perf_of_a_node_that_does_not_serve_it(commands: Commands) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        result = await commands.beside("perf", host.full_addresses[0])
    assert result.status == 1
    assert result.err.count("\n") == 1
    assert "/perf/1.0.0" in result.err


def test_perf_of_nothing(commands: Commands) -> None:
    result = commands.run("perf", "/ip4/127.0.0.1/tcp/1", "--up", "0", "--down", "0")
    assert (result.status, result.err) == (1, "p2pstack: there is nothing to send: --up and --down are both 0\n")
