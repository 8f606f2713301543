from __future__ import annotations

import pytest

from tasks.core.sizes import counted, human_size


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


def test_one_thing_is_not_several() -> None:
    assert [counted(number, "bot") for number in (0, 1, 2, 1_200)] == [
        "0 bots",
        "1 bot",
        "2 bots",
        "1,200 bots",
    ]
