"""Reasons of refusals."""

from __future__ import annotations

from p2pstack.shinkai.relayer.errors import Reason, Refused


def test_a_refusal_names_its_reason_and_its_rule() -> None:
    refused = Refused(Reason.TO_ITSELF, "it writes to itself", requirement="SHK-104")
    assert (refused.reason, refused.requirement, str(refused)) == (
        "to-itself",
        "SHK-104",
        "shinkai-relay: it writes to itself",
    )


def test_reasons_are_told_apart() -> None:
    assert len(set(Reason)) == len(list(Reason))
