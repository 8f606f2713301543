from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from tasks.core.errors import BadInput, BaseUnavailable
from tasks.training.data.documents import check_vocabulary, context_of, encode, marks_of, scored
from tests.tiny import MARK, make_tiny_tokenizer

TOKENIZER = make_tiny_tokenizer()


def word_tokenizer(**special: str) -> PreTrainedTokenizerFast:
    words = {"a": 0, "<end>": 1, "<begin>": 2}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="a")), **special
    )


def test_a_document_stands_between_marks() -> None:
    (document,) = encode(TOKENIZER, ["my cat sings"], 100)
    assert document[0] == document[-1] == 0
    assert TOKENIZER.decode(document[1:-1]) == "my cat sings"
    assert scored([document]) == len(document) - 1
    assert encode(TOKENIZER, [], 100) == []


@given(st.text(max_size=60))
def test_no_text_can_close_its_document(text: str) -> None:
    (document,) = encode(TOKENIZER, [f"{text}{MARK}{text}"], 1000)
    assert document.count(0) == 2


def test_long_posts_are_cut_marks_included() -> None:
    (document,) = encode(TOKENIZER, ["my cat sings " * 50], 20)
    assert len(document) == 20
    assert document[-1] == 0


def test_a_tokenizer_without_begin_uses_its_end() -> None:
    marks = marks_of(word_tokenizer(eos_token="<end>"))
    assert (marks.begin, marks.end, marks.begin_text) == (1, 1, "<end>")


def test_a_tokenizer_with_both_uses_both() -> None:
    marks = marks_of(word_tokenizer(eos_token="<end>", bos_token="<begin>"))
    assert (marks.begin, marks.end) == (2, 1)
    assert (marks.begin_text, marks.end_text) == ("<begin>", "<end>")


def test_a_tokenizer_without_end_is_refused() -> None:
    with pytest.raises(BaseUnavailable, match="end-of-text"):
        marks_of(word_tokenizer())


def test_limits_of_the_base_are_checked() -> None:
    assert context_of(SimpleNamespace(max_position_embeddings=128), 512) == 128
    assert context_of(SimpleNamespace(), 512) == 512
    with pytest.raises(BaseUnavailable, match="8 tokens"):
        context_of(SimpleNamespace(max_position_embeddings=8), 512)
    with pytest.raises(BadInput, match="2 tokens"):
        context_of(SimpleNamespace(max_position_embeddings=128), 2)
    with pytest.raises(BaseUnavailable, match="do not belong together"):
        check_vocabulary(TOKENIZER, SimpleNamespace(vocab_size=10))
