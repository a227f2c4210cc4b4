from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from p2pstack.cli.later import later
from p2pstack.cli.output import Output
from p2pstack.cli.program import _parser
from tests.project.sources import ROOT

SHINKAI = ("demo", "node", "send", "inbox", "queue", "peers", "identity")


def test_a_command_is_loaded_when_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run = later("people_key", "_id")
    options = argparse.Namespace(file=None, secret=None, name=None, node_name="@@alice.shinkai")
    assert run(options, Output()) == 0
    assert capsys.readouterr().out.startswith("12D3KooWKLfUnvVyFhXVzTX6aAo3aQeM7qPor1cZYWtK9Rmnm5Pc")


def test_a_command_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(ModuleNotFoundError):
        later("nothing", "run")(argparse.Namespace(), Output())


def test_the_help_loads_nothing_of_shinkai() -> None:
    program = "import sys\nfrom p2pstack.cli import main\nmain(['--help'])\nprint('p2pstack.shinkai' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"
    for command in SHINKAI:
        assert f"\n    {command} " in result.stdout


def test_the_parser_knows_them_all() -> None:
    assert _parser().parse_args(["queue"]).run is not None
