from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from tasks.generation.mention_guard import mention_guard, token_bytes
from tests.tiny import MARK, make_tiny_tokenizer

AT_SIGN = re.compile("[@＠]")
POSTS = [
    "hello @bob and＠ann, mail joe@example.org or come @ 5pm",
    "日本 @日本 @@bob RT @bob: (@carol) @_x @7up é@b ＠",
    "my cat @mycat sings @ night with @",
]


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """Blanks as `▁` and unknown bytes as `<0x0A>`, as Llama 2's and Gemma's."""
    bytes_ = [f"<0x{code:02X}>" for code in range(256)]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>", MARK, *bytes_], show_progress=False
    )
    tokenizer.train_from_iterator([text.replace("日", "") for text in POSTS * 3], trainer)
    state = json.loads(tokenizer.to_str())
    # The trainer knows the bytes as special tokens; a SentencePiece model does not.
    state["added_tokens"] = state["added_tokens"][:2]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=MARK, eos_token=MARK)


def byte_level() -> PreTrainedTokenizerFast:
    """Trained on mentions, so that its tokens hold at signs in all places."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[MARK],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(POSTS * 3, trainer)
    tokenizer.add_tokens(
        [AddedToken("@added", special=False), AddedToken("<|turn|>", special=True)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=MARK, eos_token=MARK)


TOKENIZERS = {"byte-level": byte_level(), "sentencepiece": sentencepiece_like()}


def _obeys(guard: object, ids: list[int], state: int = 0) -> bool:
    """Whether the guard lets these tokens be written after one another."""
    for token in ids:
        if guard.penalty[state, token] == -torch.inf:
            return False
        state = int(guard.then[state, token])
    return True


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(data=st.data())
def test_what_the_guard_lets_be_written_has_no_at_sign(kind: str, data: st.DataObject) -> None:
    """Any tokens, in any order, as a model might draw them: those with at signs often."""
    tokenizer = TOKENIZERS[kind]
    guard = mention_guard(tokenizer, len(tokenizer))
    signs = [n for n, text in enumerate(token_bytes(tokenizer)) if b"@" in text or b"\xef" in text]
    token = st.one_of(st.sampled_from(signs), st.integers(0, len(tokenizer) - 1))
    written: list[int] = []
    state = 0
    for drawn in data.draw(st.lists(token, max_size=12)):
        if guard.penalty[state, drawn] == 0:
            written.append(drawn)
            state = int(guard.then[state, drawn])
    assert state == guard.after(written)
    text = tokenizer.decode(written, skip_special_tokens=True)
    assert not AT_SIGN.search(text), text


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("hello there", True),
        ("日本 é", True),
        ("come @ 5pm", False),
        ("@", False),
        ("hello @bob", False),
        ("＠bob", False),
        ("joe@example.org", False),
        ("RT @bob: (", False),
    ],
)
def test_at_signs_are_banned(kind: str, text: str, may: bool) -> None:
    tokenizer = TOKENIZERS[kind]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text, "else the test tests another text"
    assert _obeys(mention_guard(tokenizer, len(tokenizer)), ids) is may


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize(
    ("start", "text", "may"),
    [
        ("my @", "bob", False),
        ("my ＠", "bob", False),
        ("@", "_", False),
        ("@", "7", False),
        ("@", "日本", False),
        ("lost (@", ") at sea", True),
        ("come @", " 5pm", True),
        ("@bob", " sings", True),
    ],
)
def test_a_word_is_banned_after_an_at_sign_that_the_start_ends_with(
    kind: str, start: str, text: str, may: bool
) -> None:
    tokenizer = TOKENIZERS[kind]
    guard = mention_guard(tokenizer, len(tokenizer))
    before, ids = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in (start, text))
    assert tokenizer.decode([*before, *ids]) == start + text, "else the test tests another text"
    assert _obeys(guard, ids, guard.after(before)) is may


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_of_texts_written_together_some_may_mention_people(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]
    guard = replace(mention_guard(tokenizer, len(tokenizer)), off_for=frozenset({1}))
    before, after = (
        tokenizer(part, add_special_tokens=False)["input_ids"] for part in ("my @", "bob @")
    )
    guarded, free = guard.states([before, before])
    assert not _obeys(guard, after, guarded)
    assert _obeys(guard, after, free)
    assert not guard.penalty[free].any(), "nothing is banned"
    assert set(guard.then[free].tolist()) == {free}, "to the end of the text"


def test_special_tokens_between_sign_and_name_change_nothing() -> None:
    tokenizer = TOKENIZERS["byte-level"]
    guard = mention_guard(tokenizer, len(tokenizer))
    (turn,) = tokenizer("<|turn|>", add_special_tokens=False)["input_ids"]
    sign, name = (tokenizer(part)["input_ids"] for part in ("@", "bob"))
    assert tokenizer.decode([*sign, turn, *name], skip_special_tokens=True) == "@bob"
    assert not _obeys(guard, [turn, *name], guard.after(sign))
    assert not _obeys(guard, name, guard.after([*sign, turn]))
    assert _obeys(guard, [turn, *name])


def test_an_added_token_counts_by_its_text() -> None:
    tokenizer = TOKENIZERS["byte-level"]
    ids = tokenizer("@added", add_special_tokens=False)["input_ids"]
    assert len(ids) == 1
    assert not _obeys(mention_guard(tokenizer, len(tokenizer)), ids)


def test_logits_beyond_the_vocabulary_are_left_alone() -> None:
    tokenizer = make_tiny_tokenizer()
    guard = mention_guard(tokenizer, len(tokenizer) + 64)
    assert guard.penalty.shape[1] == len(tokenizer) + 64
    assert (guard.penalty[:, -64:] == 0).all()
    assert (guard.then[:, -1] == torch.arange(len(guard.then))).all()
