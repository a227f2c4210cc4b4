"""The directory in memory."""

from __future__ import annotations

import pytest

from p2pstack.shinkai.directory.errors import IdentityNotFound
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.names import ShinkaiName
from tests.shinkai.directory.people import ALICE, BOB


@pytest.mark.req("SHK-60")
async def test_records_come_and_go() -> None:
    directory = MemoryDirectory([ALICE])
    directory.add(BOB)
    assert await directory.lookup(ShinkaiName.parse("@@Bob.shinkai/main/agent/x")) == BOB
    assert directory.remove(BOB.name)
    assert not directory.remove(BOB.name)
    with pytest.raises(IdentityNotFound) as caught:
        await directory.lookup(BOB.name)
    assert caught.value.reason == "unknown-identity"
    await directory.close()
