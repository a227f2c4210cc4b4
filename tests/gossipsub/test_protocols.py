from __future__ import annotations

from dataclasses import astuple

import pytest

from p2pstack.gossipsub.protocols import FLOODSUB, PROTOCOLS, features_of


@pytest.mark.req("GS10-01")
def test_the_newest_version_is_offered_first() -> None:
    assert PROTOCOLS == (
        "/meshsub/1.3.0",
        "/meshsub/1.2.0",
        "/meshsub/1.1.0",
        "/meshsub/1.0.0",
        "/floodsub/1.0.0",
    )


@pytest.mark.req("GS10-27", "GS11-02", "GS12-01", "GS13-01")
@pytest.mark.parametrize(
    ("protocol", "mesh", "backoff", "idontwant", "extensions"),
    [
        ("/floodsub/1.0.0", False, False, False, False),
        ("/meshsub/1.0.0", True, False, False, False),
        ("/meshsub/1.1.0", True, True, False, False),
        ("/meshsub/1.2.0", True, True, True, False),
        ("/meshsub/1.3.0", True, True, True, True),
    ],
)
def test_each_version_adds_one_thing(
    protocol: str, mesh: bool, backoff: bool, idontwant: bool, extensions: bool
) -> None:
    features = features_of(protocol)
    assert features.mesh is mesh
    assert features.backoff is backoff
    assert features.idontwant is idontwant
    assert features.extensions is extensions


def test_the_protocol_without_a_mesh_can_nothing() -> None:
    assert not any(astuple(features_of(FLOODSUB)))


def test_a_version_that_was_not_offered_has_no_features() -> None:
    with pytest.raises(KeyError):
        features_of("/meshsub/2.0.0")
