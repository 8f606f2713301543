"""Languages by their codes, by what stands in their place, and by their names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.language_codes import CODES, language_code
from tasks.curation.languages import main_languages
from tasks.sources.post_fields import language_of


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("en", "en"), ("EN", "en"), ("pt-BR", "pt"), ("zh_Hans", "zh"), ("English", "en")),
        *(("Norwegian Bokmål", "nb"), ("spanish", "es"), ("Farsi", "fa"), ("Kurdish", "ku")),
        *(("jp", "ja"), ("cn", "zh"), ("kr", "ko"), ("gr", "el"), ("in", "id"), ("iw", "he")),
    ],
)
def test_what_names_a_language(text: str, code: str) -> None:
    assert language_code(text) == code
    assert main_languages([text]) == (code,)


@pytest.mark.parametrize("text", ["xx", "und", "qme", "zxx", "", "Klingon", "e", "x-y", "en\nde"])
def test_what_names_none(text: str) -> None:
    assert language_code(text) is None
    assert main_languages([text]) == ()


def test_all_codes_of_the_standard_are_known() -> None:
    assert len(CODES) == 183
    assert all(len(code) == 2 and code.isascii() and code.islower() for code in CODES)


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        *(("English", "en"), ("en", "en"), ("und", "und"), ("pt-BR", "pt-BR"), (" ja ", "ja")),
        *(("no", "no"), ("nan", None), ("", None), (None, None), ("x" * 36, None)),
    ],
)
def test_the_language_that_a_cell_holds(cell: object, kept: str | None) -> None:
    assert language_of(cell) == kept


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    assert language_code(text) in {None, *CODES}
