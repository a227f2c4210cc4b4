from __future__ import annotations

import re

import pytest

from fuzz.__main__ import main
from fuzz.targets import TARGETS


def fragile(data: bytes) -> None:
    if data[:1] == b"\x05":
        raise ValueError("it begins with five")


def test_every_target_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["all", "--seconds", "0.01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(TARGETS)
    assert all(line.endswith("ok") for line in lines)


def test_what_is_found_is_shown_and_can_be_repeated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TARGETS, "framing", fragile)
    assert main(["framing", "--seconds", "30"]) == 1
    text = capsys.readouterr().out
    again = re.search(r'python -m fuzz framing --input "([0-9a-f]*)"', text)
    assert again is not None
    assert again.group(1) == "05"
    assert main(["framing", "--input", again.group(1)]) == 1
    assert "it begins with five" in capsys.readouterr().out
    assert main(["framing", "--input", "06"]) == 0
    assert capsys.readouterr().out == "ok\n"


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["all", "--engine", "steam"], ["uvarint", "--input", "xyz"]])
def test_what_does_not_exist_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err
