"""A post's text as a person reads it: no links, no escapes, nothing invisible."""

from __future__ import annotations

import html

import regex

# A link ends before what cannot be in one: blanks, quotes, brackets, letters beyond ASCII, and
# punctuation that belongs to the sentence.
_LINK = regex.compile(r"(?i)(?:https?://|\bwww\.(?=[a-z0-9]))[!-~--[\s\"'<>(){}\[\]|\\^`]]+", regex.V1)
_SENTENCE_END = regex.compile(r"[.,;:!?…*_]+$")
_EMPTY_BRACKETS = regex.compile(r"\(\s*\)|\[\s*\]|\{\s*\}|<\s*>|“\s*”|\"\s+\"")
# Literals that tokenizers read as control tokens, such as <|endoftext|>, <s>, [INST].
_CONTROL_TOKENS = regex.compile(
    r"<\|[^<>|]{1,40}\|>|</?s>|</?(?:pad|unk|bos|eos|mask|cls|sep)>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>",
    regex.IGNORECASE,
)
# Control, format, private and unassigned characters. ZWJ and ZWNJ stay between letters or emoji,
# variation selectors are marks and stay; a line end becomes a blank as in the original.
_INVISIBLE = regex.compile(r"[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}--[\u200c\u200d\n\t]]", regex.V1)
_LONE_JOINER = regex.compile(r"(?<![\p{L}\p{M}\p{So}\p{Emoji}])[\u200c\u200d]+|[\u200c\u200d]+(?=\s|$)")
_LEADING_MENTIONS = regex.compile(r"^(?:\.?@\w{1,15}[\s,:]+){3,}")
_MAX_UNESCAPES = 3


def clean(text: str) -> str:
    """Cleaned text on one line; cleaning it again changes nothing.

    HTML escapes are decoded, twice-encoded ones too; links, what looks like a tokenizer's control
    token, and invisible characters are removed, and brackets left empty by that; runs of three
    and more leading mentions go, since they are the address and not the post.
    """
    previous = None
    while text != previous:
        previous, text = text, _clean_once(text)
    return text


def _clean_once(text: str) -> str:
    text = _LINK.sub(_after_link, _unescape(text))
    text = _INVISIBLE.sub("", text)
    text = _LONE_JOINER.sub("", text)
    text = _CONTROL_TOKENS.sub(" ", text)
    text = _EMPTY_BRACKETS.sub(" ", text)
    return _LEADING_MENTIONS.sub("", " ".join(text.split()) + " ").strip()


def _unescape(text: str) -> str:
    for _ in range(_MAX_UNESCAPES):
        if "&" not in text or (decoded := html.unescape(text)) == text:
            break
        text = decoded
    return text


def _after_link(link: regex.Match[str]) -> str:
    """The punctuation that ended the sentence, not the link."""
    found = _SENTENCE_END.search(link.group())
    return found.group() if found else ""
