"""BLAKE3 against the vectors that its authors publish."""

from __future__ import annotations

import pytest

from p2pstack.crypto import blake3


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
        (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"),
    ],
)
def test_published_vectors(size: int, expected: str) -> None:
    # The authors' input counts 0, 1, 2, … 250, 0, 1, …
    data = bytes(number % 251 for number in range(size))
    assert blake3.digest(data).hex() == expected
    assert len(blake3.digest(data)) == blake3.HASH_SIZE
