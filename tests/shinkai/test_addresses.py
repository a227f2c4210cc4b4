"""Made-up addresses of peers, against the steps of the seed era."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.addresses import synthetic_address
from tests.vectors import load

CASES: list[dict[str, Any]] = [
    *load("shinkai")["key_derivation_from_name_seed_era"]["vectors"],
    *load("shinkai")["peer_id_from_identity_key_head"]["vectors"],
]


@pytest.mark.req("SHK-09")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["peer_id"])
def test_addresses_of_the_original(case: dict[str, Any]) -> None:
    host, port = synthetic_address(PeerId.from_string(case["peer_id"]))
    assert f"{host}:{port}" == case["fake_socket_addr"]
    assert host.startswith("127.211.")
    assert 10_000 <= port < 60_000
