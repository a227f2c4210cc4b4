from __future__ import annotations

from p2pstack.testing.simulation.chance import seeded


def test_a_name_draws_the_same_with_the_same_seed_and_nothing_like_the_others() -> None:
    drawn = [seeded(7, "loss").random() for _ in range(2)]
    assert drawn[0] == drawn[1] == 0.504261514497203  # in any process
    assert len({seeded(seed, name).random() for seed in (7, 8) for name in ("loss", "places")}) == 4
