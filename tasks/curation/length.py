"""Which posts are too short to learn from, in every script, or longer than posts can be."""

from __future__ import annotations

import regex

MIN_WORDS = 3
MAX_CHARACTERS = 25_000  # the most that X has ever allowed
MAX_ESCAPED = 5 * MAX_CHARACTERS  # each of them may be written as `&amp;`
_LABEL = regex.compile(r"(?<!\w)[@#＠＃]\w+")
# Scripts without spaces between words, and roughly how many letters make a word.
_UNSPACED = (
    (regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}ー]"), 2),
    (
        regex.compile(r"[[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]&&\p{L}]", regex.V1),
        3,
    ),
)
_UNSPACED_MARKS = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]")
_FORM = r"[\p{Emoji_Modifier}\ufe0f\U000e0020-\U000e007f]*"
_PICTOGRAPH = rf"(?![©®™])\p{{Extended_Pictographic}}{_FORM}"
_EMOJI = regex.compile(
    rf"(\p{{Regional_Indicator}}{{2}}|[0-9#*]\ufe0f?\u20e3|{_PICTOGRAPH}(?:\u200d{_PICTOGRAPH})*)(?:\s*\1)*"
)
_FACE = regex.compile(r"(?<!\S)([:;=][-'’^]?[()\[\]DPp/\\|*]|<3)(?:\s+\1)*(?!\S)")
# From a word's first letter or digit to its end. To look for what comes before these, too, would
# take quadratic time in a run of signs.
_SPACED = regex.compile(r"[\p{L}\p{N}][^ ]*+")


def is_short(text: str) -> bool:
    """Whether a cleaned text has fewer than three words, mentions and hashtags not counted.

    A word is a run of characters between spaces with a letter or a digit in it; or two Chinese or
    Japanese letters; or three Thai, Lao, Khmer, Burmese or Tibetan ones; or an emoji or a `:-)`,
    where a run of the same counts once. So "🎉🥳🎂" is long enough and "😂😂😂" is not.
    """
    return _words(_LABEL.sub(" ", text)) < MIN_WORDS


def _words(text: str) -> int:
    text, words = _FACE.subn(" ", text)
    if text.isascii():
        return words + _spaced_words(text)
    text, emoji = _EMOJI.subn(" ", text)
    for letters, of_a_word in _UNSPACED:
        text, found = letters.subn(" ", text)
        words += found // of_a_word
    return words + emoji + _spaced_words(_UNSPACED_MARKS.sub("", text))


def _spaced_words(text: str) -> int:
    return len(_SPACED.findall(text))
