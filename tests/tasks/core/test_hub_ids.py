"""Names on the Hub against paths, URLs and what the Hub's own client refuses."""

from __future__ import annotations

import pytest
from huggingface_hub.utils import HFValidationError, validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.hub_ids import is_model, is_repository


def test_a_repository_has_an_owner_and_a_model_may_have_one() -> None:
    for name in ("alice/bot", "Alice-1/b_o.t-2", "a/b", "_a/_b"):
        assert is_repository(name)
        assert is_model(name)
    assert is_model("gpt2")
    assert not is_repository("gpt2")


@pytest.mark.parametrize(
    "text",
    ["", "/", "a/", "/a", "a/b/c", "../a", "./a", "~/a", "-a/b", "a b/c", "a/b\n", "é/b", "a\\b",
     "https://huggingface.co/a/b", "hf://a/b"],
)  # fmt: skip
def test_paths_and_urls_are_none(text: str) -> None:
    assert not is_model(text)
    assert not is_repository(text)


@given(text=st.text("aA1_.-/é ", max_size=12))
def test_what_the_hubs_client_takes_is_a_model(text: str) -> None:
    try:
        validate_repo_id(text)
    except HFValidationError:
        return
    assert is_model(text) or not text.isascii()
