"""`modern`, the default: what the original's filter got wrong, mended."""

from __future__ import annotations

import pyarrow as pa
import regex

from tasks.curation.cleaning import clean
from tasks.curation.filtered import (
    DUPLICATE,
    OTHER_LANGUAGE,
    RETWEET,
    SHORT,
    Dropped,
    Filtered,
    Kept,
    Verdict,
    apply,
)
from tasks.curation.words import is_short
from tasks.records import Kind

# Others' words in an own post: `so true RT @x: …`, and the older `"@x: …"`.
_QUOTED_BY_HAND = regex.compile(r"(?:^|\s)RT @\w{1,15}|^[\"“”'‘«]\s*@\w{1,15}\s*:")
# What X gives where it recognised none, or only links and emoji.
_NO_LANGUAGE = frozenset({"und", "zxx", "qme", "qam", "qct", "qht", "qst", ""})


def modern(posts: pa.Table, languages: tuple[str, ...]) -> Filtered:
    """Drop retweets, other languages (when some are asked for), short texts and duplicates.

    A post whose language is unknown is kept. Of equal texts, by case and blanks, the first stays.
    """
    wanted = {language.casefold().partition("-")[0] for language in languages}
    seen: set[str] = set()

    def judge(post: dict[str, str | None]) -> Verdict:
        raw = post["text"] or ""
        if post["kind"] == Kind.RETWEET or _QUOTED_BY_HAND.search(raw):
            return Dropped(RETWEET)
        if wanted and _is_other(post["lang"], wanted):
            return Dropped(OTHER_LANGUAGE)
        text = clean(raw)
        if is_short(text):
            return Dropped(SHORT)
        if (known := text.casefold()) in seen:
            return Dropped(DUPLICATE)
        seen.add(known)
        return Kept(text)

    return apply(posts, judge, (RETWEET, OTHER_LANGUAGE, SHORT, DUPLICATE))


def _is_other(language: str | None, wanted: set[str]) -> bool:
    code = (language or "").casefold().partition("-")[0]
    return code not in _NO_LANGUAGE and code not in wanted
