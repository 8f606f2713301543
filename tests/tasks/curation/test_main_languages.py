from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.curation.languages import main_languages
from tests.tasks.publishing.examples import names


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["en"] * 8 + ["ja"], ("en", "ja")),
        (["en"] * 10 + ["ja"], ("en",)),
        (["fr", "en", "en"], ("en", "fr")),
        (["pt-BR", "pt_PT", "PT"], ("pt",)),
        (["iw", "he", "in"], ("he", "id")),
        (["und", "qme", "zxx", None, "", "e\nn", "ｅｎ"], ()),
        ([], ()),
    ],
)
def test_the_languages_of_one_post_of_ten(
    codes: list[str | None], expected: tuple[str, ...]
) -> None:
    assert main_languages(codes) == expected


@given(st.lists(st.none() | names | st.sampled_from(["en", "ja", "ar", "pt-br"]), max_size=30))
def test_whatever_a_table_holds_only_codes_come_out(codes: list[str | None]) -> None:
    found = main_languages(codes)
    assert len(found) == len(set(found)) <= 10
    assert all(len(code) == 2 and code.isascii() and code.isalpha() for code in found)
