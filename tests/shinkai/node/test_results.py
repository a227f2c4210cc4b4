from __future__ import annotations

from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node.results import ReceivedMessage, SendResult, SendState
from tests.shinkai.node.pairs import ALICE, BOB, keys


def test_a_result_is_true_unless_it_was_refused() -> None:
    assert [bool(SendResult(state=state)) for state in SendState] == [True, True, True, False]


async def test_a_content_for_a_profile_has_no_schema() -> None:
    async def done() -> None:
        return

    builder = ShinkaiMessageBuilder(keys(ALICE), ALICE, BOB, time=0.0, entropy=bytes).text("x")
    for expected in ("TextContent", None):
        message = ReceivedMessage(
            key="k",
            message=builder.build(),
            sender=ShinkaiName.parse(ALICE),
            inbox="",
            via="tcp",
            received_at=0.0,
            done=done,
        )
        assert message.schema == expected
        builder.encrypt_content_for(keys(BOB).encryption.public)
    await message.done()
