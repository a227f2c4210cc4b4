from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib

import pytest

from p2pstack import __version__
from p2pstack.cli import arguments, main, peer, people_key, program
from p2pstack.errors import DialError, StreamReset
from tests.cli.commands import Commands, process, start
from tests.project.sources import ROOT

COMMANDS = (
    "demo", "node", "relay", "send", "inbox", "queue", "peers", "identity", "listen", "dial", "identify", "discover",
    "ping", "perf", "key", "id", "decode", "trace", "peer",
)  # fmt: skip


def test_the_version_is_one_everywhere(commands: Commands) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert commands.run("--version").out == f"p2pstack {project['version']}\n"
    assert __version__ == project["version"]
    assert project["scripts"]["p2pstack"] == "p2pstack.cli:main"


def test_the_help_names_every_command(commands: Commands) -> None:
    result = commands.run("--help")
    assert (result.status, result.err) == (0, "")
    for command in COMMANDS:
        assert f"\n    {command} " in result.out
        own = commands.run(command, "--help")
        assert own.status == 0
        assert own.out.startswith(f"usage: p2pstack {command}")


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["ping"], "ADDR"),
        (["ping", "nonsense", "--count", "0"], "'0' is no number of at least 1"),
        (["key"], "ACTION"),
        (["demo", "--wings"], "unrecognized arguments: --wings"),
        (["trace", "/does/not/exist"], "/does/not/exist: No such file or directory"),
    ],
)
def test_a_wrong_command_line_is_one_line_on_stderr(commands: Commands, argv: list[str], complaint: str) -> None:
    result = commands.run(*argv)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("p2pstack: ")
    assert complaint in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["peer"], "VERB"),
        (["peer", "gossip", "/ip4/127.0.0.1/tcp/1"], "--topic"),
        (["peer", "gossip", "/ip4/127.0.0.1/tcp/1", "--topic", "T", "--publish", "1", "--size", "15"], "at least 16"),
        (["peer", "gossip", "/ip4/127.0.0.1/tcp/1", "--topic", "T"], "/ip4/127.0.0.1/tcp/1: "),
        (["peer", "gossip", "--topic", "T", "--anonymous", "--permissive"], "not allowed with"),
        (["peer", "listen", "--topic", "T", "--anonymous", "--ids", "go"], "message_id must look at the data"),
        (["peer", "dht"], "ADDR"),
        (["peer", "listen", "--quic"], "unrecognized arguments: --quic"),
        (["peer", "listen", "--seed-hex", "00"], "64 hex digits"),
        (["peer", "dial"], "ADDR"),
        (["peer", "dial", "nonsense"], "nonsense"),
        (["peer", "dial", "/ip4/127.0.0.1/tcp/1", "--do", "dance"], "invalid choice: 'dance'"),
    ],
)
def test_an_error_of_a_peer_is_an_event(commands: Commands, argv: list[str], complaint: str) -> None:
    result = commands.run(*argv)
    assert (result.status, result.err) == (1, "")
    [event] = result.json
    assert event["event"] == "error"
    assert complaint in event["error"]


def failing_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(people_key, "_show", fail)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StreamReset(7), "stream reset by the peer (code 0x7)"),
        (DialError("Q", [("/a", OSError("no")), ("/b", TimeoutError())]), "can't dial Q: /a: no; /b: TimeoutError"),
        (OSError(13, "Permission denied", "file"), "file: Permission denied"),
        (OSError(98, "Address already in use"), "Address already in use"),
        (TimeoutError(), "TimeoutError"),
        (arguments.CommandError("bad\x1b[31m\nidea"), "bad\\x1b[31m\\nidea"),
        (ExceptionGroup("some", [ExceptionGroup("inner", [OSError("first"), StreamReset(1)])]), "first"),
    ],
)  # fmt: skip
def test_errors_become_one_line(
    monkeypatch: pytest.MonkeyPatch, commands: Commands, error: BaseException, line: str
) -> None:
    failing_with(monkeypatch, error)
    result = commands.run("key", "show", "file")
    assert (result.status, result.out, result.err) == (1, "", f"p2pstack: {line}\n")


@pytest.mark.parametrize("error", [ZeroDivisionError(), ExceptionGroup("some", [StreamReset(1), ZeroDivisionError()])])
def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    failing_with(monkeypatch, error)
    with pytest.raises((ZeroDivisionError, ExceptionGroup)):
        main(["key", "show", "file"])


def test_ctrl_c_is_130_without_a_word(monkeypatch: pytest.MonkeyPatch, commands: Commands) -> None:
    failing_with(monkeypatch, KeyboardInterrupt())
    result = commands.run("key", "show", "file")
    assert (result.status, result.out, result.err) == (130, "", "")


def test_a_stderr_that_nobody_reads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Broken())
    assert main(["fly"]) == 1


def test_arguments_come_from_the_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["p2pstack", "decode", "ac02"])
    assert main() == 0
    assert "300" in capsys.readouterr().out


def test_errors_of_the_peer_go_through_its_own_printer() -> None:
    assert program.peer.report_error is peer.report_error


def test_as_a_module_it_is_the_same_program() -> None:
    result = process("decode", "ac02", "--json")
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out)["readings"] == [{"kind": "uvarint", "encoding": "hex", "value": 300, "bytes": 2}]
    failed = process("fly")
    assert (failed.status, failed.out, failed.err.count("\n")) == (1, "", 1)


@pytest.mark.parametrize("argv", [["listen"], ["peer", "listen"]])
def test_ctrl_c_ends_a_node_without_a_traceback(argv: list[str]) -> None:
    with start(*argv) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
        assert (running.returncode, err) == (130, "")


@pytest.mark.skipif(os.name != "posix", reason="a pipe that breaks is POSIX's")
@pytest.mark.parametrize("argv", [["peer", "listen"], ["decode", "ac02"]])
def test_a_reader_that_left_ends_it_quietly(argv: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = process(*argv, stdout=writing, stdin=subprocess.DEVNULL)
    finally:
        os.close(writing)
    assert (result.status, result.err) == (1, "")


@pytest.mark.skipif(os.name != "posix", reason="shells close descriptors on POSIX")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_closed_standard_streams_are_no_sockets(loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    command = [sys.executable, "-m", "p2pstack", "demo", "--libp2p", "--size", "0", "--loop", loop]
    result = subprocess.run(
        ["sh", "-c", '"$@" <&- 2>&-', "sh", *command], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "nothing is left behind" in result.stdout
