"""Strings that a tokenizer would read as special tokens, removed from texts."""

from __future__ import annotations

import regex

_SPECIAL = regex.compile(
    r"<[|｜][^<>|｜\s]{1,64}[|｜]>"  # <|endoftext|>, <|im_start|>, <｜begin▁of▁sentence｜>
    r"|</?(?:s|unk|pad|bos|eos|cls|sep|mask|eod|think|reponame|filename|unused\d+)>"
    r"|</?[a-z]+(?:_[a-z0-9]+)+>"  # <start_of_turn>, <extra_id_0>, <jupyter_text>
    r"|<<?/?SYS>>?"
    r"|\[/?(?:CLS|SEP|MASK|PAD|UNK|BOS|EOS|INST|gMASK|sMASK|TOOL_[A-Z]+|AVAILABLE_TOOLS)\]",
    regex.IGNORECASE,
)


def remove_special_tokens(text: str) -> str:
    """The text with a space in place of each special token of a known model family.

    The author's own tags, such as `</rant>`, stay.
    """
    if "<" not in text and "[" not in text:
        return text
    return _SPECIAL.sub(" ", text)
