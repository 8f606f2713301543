"""What X's programs write about a post, known once for all sources: archives, tables, API, stream.

The same fact has many forms: an object (`note_tweet`: {`text`}), a column of a tool that flattens
objects (`note_tweet.text`), and other names in each generation of X's API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.core.language_codes import language_code
from tasks.core.records import Kind

_ABSENT = frozenset(("", "0", "0.0", "f", "false", "n", "no", "nan", "null", "none", "{}", "[]"))
_LONGEST_LANGUAGE = 35  # characters of a BCP 47 code
Path = tuple[str, ...]

# The whole texts of long posts, the more exact first: `text` is cut where one of them is there.
_LONG_TEXTS: tuple[Path, ...] = (
    ("note_tweet", "text"),
    ("note_tweet", "note_tweet_results", "result", "text"),
    ("extended_tweet", "full_text"),
)
_PLAIN_TEXTS: tuple[Path, ...] = (("full_text",), ("text",))
# What is set if and only if a post is a retweet, an answer or a quote.
_RETWEETED: tuple[Path, ...] = (
    ("referenced_tweets", "retweeted", "id"),
    ("retweeted_user_id",),
    ("retweeted_status",),
    ("retweeted_status_id",),
    ("retweeted_status_id_str",),
    ("retweeted_status_result",),
    ("retweetedTweet",),
)
_REPLIED_TO: tuple[Path, ...] = (
    ("referenced_tweets", "replied_to", "id"),
    ("in_reply_to_status_id",),
    ("in_reply_to_status_id_str",),
    ("in_reply_to_user_id",),
    ("in_reply_to_user_id_str",),
    ("inReplyToTweetId",),
    ("isReply",),
)
_QUOTED: tuple[Path, ...] = (
    ("referenced_tweets", "quoted", "id"),
    ("quoted_status",),
    ("quoted_status_id",),
    ("quoted_status_id_str",),
    ("is_quote_status",),
    ("quotedTweet",),
    ("isQuote",),
)
# What programs call the kinds of posts, without capitals, blanks, `_` and `-`.
_KINDS = {
    **dict.fromkeys(("post", "tweet", "original", "newtweet", "status", "toot"), Kind.POST),
    **dict.fromkeys(("retweet", "retweeted", "rt", "repost", "boost", "reblog"), Kind.RETWEET),
    **dict.fromkeys(("reply", "repliedto", "replied", "mention"), Kind.REPLY),
    **dict.fromkeys(("quote", "quoted", "quotetweet", "quotedtweet", "quotepost"), Kind.QUOTE),
}
_TYPE = re.compile(r"""\btype['"]?\s*[:=]\s*['"]?(retweeted|replied_to|quoted)\b""")
# The ids of all versions of an edited post, in the posts of each.
_VERSIONS: tuple[Path, ...] = (
    ("edit_history_tweet_ids",),
    ("edit_info", "initial", "editTweetIds"),
    ("edit_info", "edit", "editControlInitial", "editTweetIds"),
    ("edit_info", "edit", "initialTweetId"),
    ("edit_control", "edit_tweet_ids"),
    ("edit_control", "edit_control_initial", "edit_tweet_ids"),
)
_MOST_VERSIONS = 20  # X allows five edits
_ID = re.compile(r"\d{1,20}", re.ASCII)
_SEPARATORS = re.compile(r"[\s_-]")
_AUTHORS: tuple[Path, ...] = (
    ("author", "username"),
    ("user", "screen_name"),
    ("user", "username"),
    ("author", "screen_name"),
)


# As columns of tables.
COLUMNS = frozenset(
    ".".join(path)
    for paths in (_LONG_TEXTS, _RETWEETED, _REPLIED_TO, _QUOTED, _VERSIONS, _AUTHORS)
    for path in paths
) | {"referenced_tweets"}


def is_set(value: object) -> bool:
    """Whether a cell holds a value: a flag that is set, an id, an object.

    What programs write for an absent value (`NaN`, `null`, `False`, `0` …) is not set.
    """
    if isinstance(value, (dict, list)):
        return bool(value)
    return value is not None and str(value).strip().lower() not in _ABSENT


def field(post: Mapping[str, Any], path: Path) -> Any:
    """What is at a path of keys, in nested objects or in a flattened column; None if absent."""
    if len(path) > 1 and (flat := post.get(".".join(path))) is not None:
        return flat
    value: Any = post
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def long_text(post: Mapping[str, Any]) -> str | None:
    """The whole text of a post whose own text is cut, or None."""
    return _first_text(post, _LONG_TEXTS)


def text_of(post: Mapping[str, Any]) -> str | None:
    """The whole text of a post, which may be empty; None if it has none."""
    if (found := _first_text(post, (*_LONG_TEXTS, *_PLAIN_TEXTS))) is not None:
        return found
    return next((post[key] for (key,) in _PLAIN_TEXTS if isinstance(post.get(key), str)), None)


def _first_text(post: Mapping[str, Any], paths: tuple[Path, ...]) -> str | None:
    found = (field(post, path) for path in paths)
    return next((text for text in found if isinstance(text, str) and text), None)


def language_of(value: object) -> str | None:
    """The language code in a field, also of a language's English name; None if it holds none.

    A code is kept as it is, regions and X's own codes for posts without words included.
    """
    code = value.strip() if isinstance(value, str) else ""
    if not is_set(code) and code.lower() != "no":  # Norwegian
        return None
    if len(code) > 3 and "-" not in code and (known := language_code(code)):
        return known
    return code if len(code) <= _LONGEST_LANGUAGE else None


def named_kind(value: object) -> Kind | None:
    """The kind that a cell such as `Quote Tweet` names, None if it names none."""
    name = value if isinstance(value, str) else ""
    return _KINDS.get(plain_name(name[:40]))


def plain_name(name: str) -> str:
    """A name of a column or a kind without what programs write differently."""
    return _SEPARATORS.sub("", name).lower()


def kind_of(post: Mapping[str, Any], text: str, *, is_retweet: bool | None = None) -> Kind:
    """The kind of a post by all fields that show it.

    is_retweet: what is known of it from elsewhere, such as a table's column. None: if no field is
        about retweets, the start of the text decides, as in recent archives.
    """
    types = _referenced(post)
    known = is_retweet is not None or bool(types) or _is_any_there(post, _RETWEETED)
    shows_retweet = "retweeted" in types or _is_any_set(post, _RETWEETED)
    if is_retweet or shows_retweet or (not known and text.startswith("RT @")):
        return Kind.RETWEET
    if "replied_to" in types or _is_any_set(post, _REPLIED_TO):
        return Kind.REPLY
    return Kind.QUOTE if "quoted" in types or _is_any_set(post, _QUOTED) else Kind.POST


def _referenced(post: Mapping[str, Any]) -> frozenset[str]:
    """How a post of the API refers to others: the types in `referenced_tweets`.

    Tables hold the list as the text of JSON or of Python.
    """
    listed = post.get("referenced_tweets")
    if isinstance(listed, str):
        return frozenset(_TYPE.findall(listed))
    entries = listed if isinstance(listed, list) else []
    types = (entry.get("type") for entry in entries if isinstance(entry, Mapping))
    return frozenset(each for each in types if isinstance(each, str))


def _is_any_there(post: Mapping[str, Any], paths: tuple[Path, ...]) -> bool:
    return any(".".join(path) in post for path in paths)


def _is_any_set(post: Mapping[str, Any], paths: tuple[Path, ...]) -> bool:
    return any(is_set(field(post, path)) for path in paths)


def earlier_versions(post: Mapping[str, Any], post_id: str) -> tuple[str, ...]:
    """The ids of the versions of an edited post that this one replaces; mostly none.

    Each version has an id of its own, which grows. A list without the post itself, or longer than
    X allows, is none of its versions.
    """
    listed = [each for path in _VERSIONS for each in _ids(field(post, path))]
    if not _ID.fullmatch(post_id) or not 1 < len(listed) <= 2 * _MOST_VERSIONS:
        return ()
    is_edit = field(post, ("edit_info", "edit")) is not None
    if post_id not in listed and not is_edit:
        return ()
    return tuple(sorted({each for each in listed if int(each) < int(post_id)}, key=int))


def _ids(value: object) -> list[str]:
    """The ids in a list, in its text, or in a single one."""
    if isinstance(value, str):
        return _ID.findall(value[: 25 * _MOST_VERSIONS])
    listed = value if isinstance(value, list) else [value]
    return [
        str(each) for each in listed if isinstance(each, (str, int)) and _ID.fullmatch(str(each))
    ]


def author_of(post: Mapping[str, Any]) -> str | None:
    """The name of a post's author, where an object in the post describes the author."""
    return _first_text(post, _AUTHORS)
