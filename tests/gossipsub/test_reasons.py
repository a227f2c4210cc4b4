from __future__ import annotations

import pytest

from p2pstack.gossipsub import reasons

NAMES = [name for name in reasons.__all__ if name != "BLAMELESS"]


def test_each_reason_has_a_name_of_its_own() -> None:
    texts = [getattr(reasons, name) for name in NAMES]
    assert len(set(texts)) == len(texts)
    assert texts == [name.lower().replace("_", "-") for name in NAMES], "the text is the name"


@pytest.mark.req("GS10-13", "GS10-26", "GS11-34")
def test_nobody_is_charged_for_what_may_happen_to_anyone() -> None:
    charged = {getattr(reasons, name) for name in NAMES} - reasons.BLAMELESS
    assert charged == {
        reasons.BAD_KEY,
        reasons.BAD_SEQNO,
        reasons.BAD_SIGNATURE,
        reasons.BAD_SOURCE,
        reasons.MISSING_SIGNATURE,
        reasons.MISSING_SOURCE,
        reasons.REJECTED,
        reasons.SELF_ORIGIN,
        reasons.UNEXPECTED_AUTH,
        reasons.UNEXPECTED_SIGNATURE,
    }
