from __future__ import annotations

import pytest

from p2pstack.kad.protocols import LAN_PROTOCOL, PROTOCOL


@pytest.mark.req("KAD-01")
def test_the_names() -> None:
    assert (PROTOCOL, LAN_PROTOCOL) == ("/ipfs/kad/1.0.0", "/ipfs/lan/kad/1.0.0")
