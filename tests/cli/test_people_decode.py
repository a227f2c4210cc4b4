from __future__ import annotations

import subprocess

import pytest

from p2pstack.identity.keys import PrivateKey
from tests.cli.commands import Commands, process, start

KEY = PrivateKey.from_seed(b"\x01" * 32)


def test_several_values(commands: Commands) -> None:
    result = commands.run("decode", "ac02", KEY.peer_id, "--json")
    assert [(each["value"], each["readings"][0]["kind"]) for each in result.json] == [
        ("ac02", "uvarint"),
        (str(KEY.peer_id), "peer id"),
    ]
    shown = commands.run("decode", "ac02", KEY.peer_id)
    assert shown.out.startswith("uvarint (hex)\n  value  300\n  bytes  2\npeer id (base58)\n")


def test_a_private_key_is_recognised_and_warned_of(commands: Commands) -> None:
    shown = commands.run("decode", KEY.to_protobuf().hex())
    assert shown.out.startswith("private key (hex)\n")
    assert "not to be shown around" in shown.out
    assert (b"\x01" * 32).hex() not in shown.out


def test_what_is_unknown_is_an_error(commands: Commands) -> None:
    result = commands.run("decode", "hello!")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("p2pstack: 'hello!' is nothing that is known: no address, peer id, key")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (KEY.to_protobuf(), "private key (binary)"),
        (KEY.public_key.to_protobuf().hex().encode() + b"\n", "public key (hex)"),
        (b"/ip4/127.0.0.1/tcp/1", "multiaddr (text)"),
        (b"\xac\x02", "uvarint (binary)"),
    ],
)
def test_stdin_is_text_or_bytes(data: bytes, kind: str) -> None:
    with start("decode", "-") as running:
        assert running.stdin is not None
        running.stdin.buffer.write(data)
        out, err = running.communicate(timeout=20)
    assert (running.returncode, err) == (0, "")
    assert out.splitlines()[0] == kind


def test_an_empty_stdin_is_nothing() -> None:
    result = process("decode", "-", stdin=subprocess.DEVNULL)
    assert (result.status, result.err) == (1, "p2pstack: what came on stdin is nothing that is known\n")
