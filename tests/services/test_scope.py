"""Who gets which addresses."""

from __future__ import annotations

import pytest

from p2pstack.identity.multiaddrs import parse
from p2pstack.services.scope import Scope, scope_of, suitable

LOOPBACK = parse("/ip4/127.0.0.1/tcp/1")
LOOPBACK_6 = parse("/ip6/::1/tcp/1")
PRIVATE = parse("/ip4/192.168.1.5/tcp/1")
DOCUMENTATION = parse("/ip4/192.0.2.1/tcp/1")
PUBLIC = parse("/ip4/8.8.8.8/tcp/1")
EVERY = [LOOPBACK, LOOPBACK_6, PRIVATE, PUBLIC]


@pytest.mark.parametrize(
    ("remote", "scope"),
    [
        (LOOPBACK, Scope.LOOPBACK),
        (LOOPBACK_6, Scope.LOOPBACK),
        (PRIVATE, Scope.PRIVATE),
        (DOCUMENTATION, Scope.PRIVATE),
        (PUBLIC, Scope.PUBLIC),
        (parse("/ip4/8.8.8.8/tcp/1/p2p-circuit"), Scope.PUBLIC),
    ],
)
def test_the_scope_of_a_connection(remote: object, scope: Scope) -> None:
    assert scope_of(parse(str(remote))) is scope


@pytest.mark.req("IDN-08", "ENV-08")
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope.LOOPBACK, EVERY),
        (Scope.PRIVATE, [PRIVATE, PUBLIC]),
        (Scope.PUBLIC, [PUBLIC]),
    ],
)
def test_what_suits_it(scope: Scope, expected: list[object]) -> None:
    assert suitable(EVERY, scope) == expected
