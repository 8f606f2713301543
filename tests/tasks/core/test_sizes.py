from __future__ import annotations

import pytest

from tasks.core.sizes import human_size


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (93_400_000, "93 MB"),
        (2.5e12, "2,500 GB"),
    ],
)
def test_sizes_are_as_people_read_them(size: float, shown: str) -> None:
    assert human_size(size) == shown
