"""Keep a bot from mentioning people: no at sign, and no word after one that a start ends with.

A post that says `@somebody` reaches that person on most services, and a bot that has read
mentions writes mentions, of people who exist or might. Striking them out afterwards leaves holes in
the sentences, and drawing again takes as long as there are mentions, so the tokens that would make
one are banned while the post is written, and the bot writes something else. Banning the name alone
is not enough: of a bot that had learnt to end posts with a mention, 14 of 100 posts then ended in a
hundred at signs. `@ 5pm` is lost with the rest, and so are e-mail addresses, which name people too.

Tokens are pieces of UTF-8, and the sign may end one and the name begin another, so the rule is an
automaton over bytes. It is run through each token of the vocabulary once, from each of its states;
what is left to do while a post is written is a look into a table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# After nothing of interest; after an at sign; within the three bytes of the full-width one.
_PLAIN, _AT, _FIRST, _SECOND = range(4)
_OFF = 4  # of a text in which everything may be written
_STATES = 5
_FULL_WIDTH_AT = "＠".encode()
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True)
class MentionGuard:
    """What a token does after each state of a text.

    penalty: 0 or -inf, states × vocabulary, to be added to the logits.
    then: the state after the token, int64, states × vocabulary.
    off_for: numbers of the texts, of those written together, in which mentions may be written.
    """

    penalty: torch.Tensor
    then: torch.Tensor
    off_for: frozenset[int] = frozenset()

    def states(self, texts: Sequence[Sequence[int]]) -> list[int]:
        """The state of each of the texts that are written together."""
        return [
            _OFF if number in self.off_for else self.after(ids) for number, ids in enumerate(texts)
        ]

    def after(self, ids: Sequence[int]) -> int:
        """The state of a text that begins with these tokens."""
        state = _PLAIN
        for token in ids:
            state = int(self.then[state, token])
        return state

    def to(self, device: torch.device, dtype: torch.dtype) -> MentionGuard:
        """The same where the logits are."""
        return replace(self, penalty=self.penalty.to(device, dtype), then=self.then.to(device))


@lru_cache(maxsize=1)  # bots of one base, one after another, share its tokenizer
def mention_guard(tokenizer: Any, vocabulary: int) -> MentionGuard:
    """The guard for a tokenizer; `vocabulary` is how many logits the model gives."""
    texts = token_bytes(tokenizer)
    texts += [b""] * (vocabulary - len(texts))
    next_state, bans = _automaton()
    codes, lengths = _padded(texts[:vocabulary])
    states = np.repeat(np.arange(_STATES)[:, None], vocabulary, axis=1)
    banned = np.zeros(states.shape, dtype=bool)
    for place in range(codes.shape[1]):
        # Few tokens are long: only those that have a byte here.
        here = np.flatnonzero(lengths > place)
        before, code = states[:, here], codes[here, place]
        banned[:, here] |= bans[before, code]
        states[:, here] = next_state[before, code]
    penalty = np.where(banned, -np.inf, 0.0).astype(np.float32)
    return MentionGuard(torch.from_numpy(penalty), torch.from_numpy(states))


def _automaton() -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The state after each byte in each state, and whether the byte is banned there."""
    then = np.full((_STATES, 256), _PLAIN)
    then[:, ord("@")] = _AT
    then[:, _FULL_WIDTH_AT[0]] = _FIRST
    then[_FIRST, _FULL_WIDTH_AT[1]] = _SECOND
    then[_SECOND, _FULL_WIDTH_AT[2]] = _AT
    then[_OFF] = _OFF
    bans = np.zeros((_STATES, 256), dtype=bool)
    bans[:, ord("@")] = True
    bans[_SECOND, _FULL_WIDTH_AT[2]] = True
    # Bytes from 128 on are parts of letters of other scripts, among other things.
    word = [code for code in range(256) if code >= 128 or chr(code).isalnum() or code == ord("_")]
    bans[_AT, word] = True
    bans[_OFF] = False
    return then, bans


def _padded(texts: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """One row of bytes for each text, and the texts' lengths."""
    lengths = np.array([len(text) for text in texts])
    rows = np.zeros((len(texts), int(lengths.max())), dtype=np.uint8)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = np.frombuffer(b"".join(texts), np.uint8)
    return rows, lengths


def token_bytes(tokenizer: Any) -> list[bytes]:
    """What each token adds to a text, by id; nothing for special tokens, which are left out of it.

    Knows byte-level vocabularies (GPT-2's and its heirs') and those that write a blank as `▁` and
    odd bytes as `<0x0A>` (SentencePiece's).
    """
    special = set(tokenizer.all_special_ids) | _hidden(tokenizer)
    names = {number: name for name, number in tokenizer.get_vocab().items()}
    added = set(tokenizer.added_tokens_decoder)
    others = special | added
    pieces = ["" if each in others else names.get(each, "") for each in range(max(names) + 1)]
    alphabet = _byte_alphabet()
    byte_level = set("".join(pieces)) <= set(alphabet)
    spelled = _in_bytes(pieces, alphabet) if byte_level else [*map(_with_blanks, pieces)]
    for number in added & names.keys() - special:
        spelled[number] = names[number].encode()
    return spelled


def _in_bytes(pieces: Sequence[str], alphabet: Mapping[str, int]) -> list[bytes]:
    """Pieces whose letters stand for bytes; all at once, since vocabularies are long."""
    codes = {ord(letter): code for letter, code in alphabet.items()}
    text = "".join(pieces).translate(codes).encode("latin-1")
    ends = accumulate(map(len, pieces))
    return [text[end - len(piece) : end] for piece, end in zip(pieces, ends, strict=True)]


def _with_blanks(piece: str) -> bytes:
    if found := _BYTE_TOKEN.fullmatch(piece):
        return bytes([int(found[1], 16)])
    return piece.replace("▁", " ").encode()


def _hidden(tokenizer: Any) -> set[int]:
    return {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's letters for bytes: those that print stand for themselves, others for 256 and on."""
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [code for code in range(256) if code not in printing]
    letters = {chr(code): code for code in printing}
    return letters | {chr(256 + place): code for place, code in enumerate(others)}
