from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.compare import order
from benchmarks.rows import ROWS
from benchmarks.stacks import NAMES, Options, Sizes, default_names, find_stacks


def test_an_extra_peer_gets_its_environment_and_command() -> None:
    (stack,), missing = find_stacks(Options(stacks=[], extra=["mine=A=1 B=two /bin/peer 'a b'"]))
    assert missing == {}
    assert stack.environment == {"A": "1", "B": "two"}
    assert stack.listen() == ["/bin/peer", "a b", "listen"]
    assert stack.dial("/ip4/x", "ping", "--count", "3")[2:] == ["dial", "/ip4/x", "--do", "ping", "--count", "3"]


def test_gossip_commands_hold_what_is_peculiar_to_a_peer(tmp_path: Path) -> None:
    peer = tmp_path / "peer"
    peer.touch()
    (go, rust), _ = find_stacks(Options(stacks=["go", "rust"], go=peer, rust=peer))
    assert go.subscribe("t")[1:] == ["listen", "--topic", "t", "--quiet"]
    words = go.publish(["/a", "/b"], "t", count=20_000, size=1024, rate=0, stay=0.5)
    assert " ".join(words[1:]) == "gossip /a /b --topic t --publish 20000 --size 1024 --rate 0 --settle 0.5"
    assert rust.subscribe("t")[5:] == ["--gossip-profile", "default", "--count-only"]
    words = rust.publish(["/a"], "t", count=3, size=1024, rate=1000, stay=2.0)
    assert words[words.index("--wait") + 1] == "2.0"
    assert words[-4:] == ["--gossip-profile", "default", "--settle-ms", "500"]


@pytest.mark.parametrize("text", ["mine", "=/bin/peer", "mine=", "mine=A=1", "go=/bin/peer"])
def test_an_extra_peer_needs_a_new_name_and_a_command(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=COMMAND"):
        find_stacks(Options(stacks=[], extra=[text]))


def test_an_unknown_stack_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown stack 'perl'"):
        find_stacks(Options(stacks=["perl"]))


def test_a_missing_peer_is_told_and_not_hidden(tmp_path: Path) -> None:
    found, missing = find_stacks(Options(stacks=["go", "rust"], go=tmp_path / "no", rust=tmp_path / "no"))
    assert found == []
    assert missing == {"go": f"no go peer at {tmp_path / 'no'}", "rust": f"no rust peer at {tmp_path / 'no'}"}


def test_js_is_left_out_by_default_without_node_and_told_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert default_names() == [name for name in NAMES if name != "js"]
    assert find_stacks(Options(stacks=["js"])) == ([], {"js": "node and npm not on the PATH"})
    (tmp_path / "npm").touch(mode=0o755)
    assert find_stacks(Options(stacks=["js"])) == ([], {"js": "node not on the PATH"})
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v18.1.0\n")
    node.chmod(0o755)
    assert default_names() == list(NAMES)
    assert find_stacks(Options(stacks=["js"])) == ([], {"js": "node 18.1.0 is too old: 20 or later is needed"})


def test_loop_and_spin_reach_our_own_peer_alone(tmp_path: Path) -> None:
    peer = tmp_path / "peer"
    peer.touch()
    options = Options(stacks=["p2pstack", "go", "rust"], go=peer, rust=peer, loop="uvloop", spin=50)
    found, _ = find_stacks(options)
    assert [stack.flags for stack in found] == [("--loop", "uvloop", "--spin", "50"), (), ()]
    assert [stack.name for stack in order(found, 1)] == ["go", "rust", "p2pstack"]
    assert order(found, 3) == found
    assert order([], 1) == []


def test_a_quick_run_is_smaller_in_everything() -> None:
    full, quick = Sizes(), Sizes().quick()
    assert quick.pings < full.pings
    assert quick.upgrades < full.upgrades
    assert quick.bulk_seconds < full.bulk_seconds
    assert Sizes(upgrades=20).quick().upgrades == 5


def test_no_two_rows_share_a_metric() -> None:
    names = [metric.name for row in ROWS.values() for metric in row.metrics]
    assert len(set(names)) == len(names)
