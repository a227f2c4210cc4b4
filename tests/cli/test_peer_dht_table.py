"""``p2pstack peer dht-table``."""

from __future__ import annotations

from p2pstack.cli.peer_dht_table import measure
from tests.cli.commands import Console, options_of


async def test_tables_are_filled_and_weighed(console: Console) -> None:
    measure(options_of("peer", "dht-table", "--peers", "300", "--tables", "4"))
    event = await console.event("dht-table-memory")
    assert (event["peers"], event["tables"], event["in_table"]) == (300, 4, 300)
    assert 200 < event["bytes"] / 300 < 5_000
