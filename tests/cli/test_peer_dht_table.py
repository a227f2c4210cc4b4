"""``p2pstack peer dht-table``."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.project.sources import ROOT


def test_tables_are_filled_and_weighed() -> None:
    # A process of its own: in that of the tests the tables may fit into what other tests have freed.
    command = [sys.executable, "-m", "p2pstack", "peer", "dht-table", "--peers", "300", "--tables", "4"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    event = json.loads(result.stdout)
    assert (event["event"], event["peers"], event["tables"], event["in_table"]) == ("dht-table-memory", 300, 4, 300)
    assert 200 < event["bytes"] / 300 < 5_000
