"""A relay's figures."""

from __future__ import annotations

import re

import pytest

from p2pstack.shinkai.relayer.metrics import Metric, metrics_of, render
from tests.aio.shell import until
from tests.shinkai.relayer.people import ALICE, BOB, CAROL, LOCAL, ack, letter, local_keys, member, relaying

LINE = re.compile(r'p2pstack_relay_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+]+')


@pytest.mark.req("SHK-111")
async def test_what_has_happened_is_in_the_figures() -> None:
    async with (
        relaying() as relayer,
        member(relayer, ALICE) as alice,
        member(relayer, BOB, answer=ack(BOB, ALICE)),
        member(relayer, LOCAL, local_keys()),
        member(relayer, CAROL, local_keys(77)),
    ):
        await until(lambda: len(relayer.registrations) == 3)
        await until(lambda: relayer.counters["registration-refused.wrong-key"])
        await alice.ask(letter(ALICE, BOB))
        await alice.ask(letter(ALICE, CAROL))
        text = render(metrics_of(relayer))
        for line in (
            'registered{kind="named"} 2',
            'registered{kind="local"} 1',
            'limit{limit="relay.max_reservations"} 1024',
            'limit_used{limit="relay.max_reservations"} 0',
            'events_total{event="forwarded"} 1',
            'refused_total{what="request",reason="not-registered"} 1',
            "circuit_bytes_total 0",
        ):
            assert f"p2pstack_relay_{line}\n" in text
        assert re.search(r'refused_total\{what="registration",reason="wrong-key"\} [1-9]', text)
        assert re.search(r"\np2pstack_relay_message_bytes_total [1-9][0-9]+\n", text)
        for line in text.splitlines():
            assert line.startswith("# ") or LINE.fullmatch(line), line


@pytest.mark.req("SHK-111")
def test_labels_are_escaped_and_large_numbers_are_exact() -> None:
    metric = Metric(name="x", kind="gauge", help="X.", values={(("a", 'b"\\\n'),): 1_234_567_890_123.0, (): 0.5})
    assert render([metric]) == (
        "# HELP p2pstack_relay_x X.\n# TYPE p2pstack_relay_x gauge\n"
        'p2pstack_relay_x 0.5\np2pstack_relay_x{a="b\\"\\\\\\n"} 1234567890123\n'
    )
