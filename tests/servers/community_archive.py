"""The Community Archive for tests: its tables over real HTTP, in the ways of PostgREST 12.

`with running_community_archive() as archive:` serves at `archive.url`, and `archive.add(…)`
opens an account. Understood are what a reader needs: `select` with embedded tables, filters
(`eq`, `neq`, `gt`, `gte`, `lt`, `lte`, `like`, `ilike`, `in`, `is`, `or=(…)`), `order`, `limit`,
`offset`, the `Range` header, `Prefer: count=exact`, one object instead of a list, and the cap of
1,000 rows; what is malformed gets PostgREST's own errors. Faults are scripted: `archive.faults`
holds what happens to the next requests, in order, and `archive.storm` decides on each by itself.
`archive.requests` lists what was asked, `archive.pages` the ids on the pages that went out whole.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tasks.core.records import Kind, Post

KEY = "anon.key.of-the-tests"
_SINGLE = "application/vnd.pgrst.object+json"
_DATES = frozenset(("created_at", "updated_at", "archive_at"))
_COLUMNS = {
    table: columns.split()
    for table, columns in {
        "all_account": (
            "account_id username account_display_name created_at num_tweets updated_at"
        ),
        "all_profile": "account_id bio avatar_media_url archive_upload_id updated_at",
        "archive_upload": "id account_id archive_at upload_phase",
        "tweets": (
            "tweet_id account_id created_at full_text retweet_count favorite_count "
            "reply_to_tweet_id reply_to_user_id reply_to_username archive_upload_id updated_at"
        ),
        "retweets": "tweet_id retweeted_tweet_id",
        "quote_tweets": "tweet_id quoted_tweet_id",
    }.items()
}
# By table and embedded table: the foreign keys between them, each with the column that joins them.
_KEYS: dict[tuple[str, str], dict[str, str]] = {
    ("all_account", "all_profile"): {"all_profile_account_id_fkey": "account_id"},
    ("all_account", "archive_upload"): {"archive_upload_account_id_fkey": "account_id"},
    ("tweets", "retweets"): {
        "fk_retweets_tweet_id": "tweet_id",
        "fk_retweets_retweeted_tweet_id": "retweeted_tweet_id",
    },
    ("tweets", "quote_tweets"): {
        "fk_quote_tweets_tweet_id": "tweet_id",
        "fk_quote_tweets_quoted_tweet_id": "quoted_tweet_id",
    },
}
_ONE_ROW = {"fk_retweets_tweet_id", "all_profile_account_id_fkey"}  # the column is a primary key
Row = dict[str, Any]
Test = Callable[[Row], bool]


@dataclass
class Fault:
    """What happens to one request.

    status: answered with `body` and `headers` instead of the right answer; None leaves that.
    delay: seconds before the answer. cut: the connection ends after so many bytes of the body.
    """

    status: int | None = None
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    cut: int | None = None

    @classmethod
    def timeout(cls) -> Fault:
        """A query that took too long, as PostgreSQL says it."""
        return cls(500, _error("57014", "canceling statement due to statement timeout"))


@dataclass
class Archive:
    """The server's whole state, open to the tests.

    tables: rows by table, in any order. in_flight: requests that are being answered.
    """

    url: str = ""
    key: str = KEY
    cap: int = 1_000
    tables: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})
    faults: list[Fault | None] = field(default_factory=list)
    storm: Callable[[Request], Fault | None] = lambda _: None
    requests: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    pages: list[list[str]] = field(default_factory=list)
    in_flight: int = 0

    def add(self, username: str, posts: Iterable[Post] = (), **shown: Any) -> str:
        """An account with these posts, uploaded in one archive; returns its id."""
        number = len(self.tables["all_account"]) + 1
        account_id, upload = str(1_000 + number), number
        stamp = "2026-01-01T00:00:00+00:00"
        self.tables["all_account"].append(
            {
                "account_id": account_id,
                "username": username,
                "account_display_name": username.title(),
                "created_at": stamp,
                "num_tweets": 0,
                "updated_at": stamp,
                **shown,
            }
        )
        self.tables["all_profile"].append(
            {
                "account_id": account_id,
                "bio": "",
                "avatar_media_url": f"https://pbs.twimg.com/profile_images/{number}/a_normal.jpg",
                "archive_upload_id": upload,
                "updated_at": stamp,
            }
        )
        self.upload(account_id)
        self.post(account_id, posts)
        return account_id

    def upload(self, account_id: str, phase: str = "completed") -> None:
        """One more archive of an account."""
        uploads = self.tables["archive_upload"]
        at = "2026-01-01T00:00:00+00:00"
        row = {"account_id": account_id, "archive_at": at, "upload_phase": phase}
        uploads.append({"id": len(uploads) + 1, **row})

    def post(self, account_id: str, posts: Iterable[Post]) -> None:
        """More posts of an account. A retweet stands in `retweets`, whatever its text is."""
        for post in posts:
            assert post.created_at is not None
            row = {
                "tweet_id": post.id,
                "account_id": account_id,
                "created_at": post.created_at.astimezone(UTC).isoformat(),
                "full_text": post.text,
                "favorite_count": 0,
                "reply_to_tweet_id": "1" if post.kind is Kind.REPLY else None,
            }
            self.tables["tweets"].append({name: row.get(name) for name in _COLUMNS["tweets"]})
            if post.kind is Kind.RETWEET:
                retweet = {"tweet_id": post.id, "retweeted_tweet_id": None}
                self.tables["retweets"].append(retweet)
            if post.kind is Kind.QUOTE:
                self.tables["quote_tweets"].append({"tweet_id": post.id, "quoted_tweet_id": "1"})

    def opt_out(self, account_id: str) -> None:
        """The owner opts out: the account disappears from every table."""
        for rows in self.tables.values():
            rows[:] = [row for row in rows if row.get("account_id") != account_id]

    def joined(self, table: str, by: str, columns: list[str]) -> dict[str, list[Row]]:
        """Some columns of a table's rows, by the value of another column."""
        found: dict[str, list[Row]] = {}
        for row in self.tables[table]:
            found.setdefault(row[by], []).append({name: row[name] for name in columns})
        return found

    def delete(self, *post_ids: str) -> None:
        """These posts disappear."""
        tweets = self.tables["tweets"]
        tweets[:] = [row for row in tweets if row["tweet_id"] not in post_ids]


@contextmanager
def running_community_archive() -> Iterator[Archive]:
    """Serve an empty archive on a free port of this machine until the block ends."""
    archive = Archive()

    async def table(request: Request) -> Response:
        archive.in_flight += 1
        try:
            return await _served(archive, request)
        finally:
            archive.in_flight -= 1

    app = Starlette(routes=[Route("/rest/v1/{table}", table)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    archive.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield archive
    finally:
        server.should_exit = True
        server.force_exit = True  # does not wait for answers that are delayed
        thread.join(10)


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.response = _json(_error(code, message, hint), status)


def _error(code: str, message: str, hint: str | None = None) -> Row:
    return {"code": code, "details": None, "hint": hint, "message": message}


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Response(body, status, headers, "application/json; charset=utf-8")


async def _served(archive: Archive, request: Request) -> Response:
    archive.requests.append((request.path_params["table"], request.query_params.multi_items()))
    key = request.headers.get("apikey")
    if key != archive.key or request.headers.get("authorization") != f"Bearer {archive.key}":
        said = {"message": "Invalid API key", "hint": "Double check your Supabase API key."}
        return _json(said, 401)
    scripted = archive.faults.pop(0) if archive.faults else None
    fault = scripted or archive.storm(request) or Fault()
    await asyncio.sleep(fault.delay)
    if fault.status is not None:
        body = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
        return Response(body, fault.status, fault.headers)
    try:
        answer = _answer(archive, request)
    except _Refused as refused:
        return refused.response
    if fault.cut is not None:
        return _CutOff(bytes(answer.body)[: fault.cut])
    if request.path_params["table"] == "tweets":
        archive.pages.append([row["tweet_id"] for row in json.loads(bytes(answer.body))])
    return answer


class _CutOff(Response):
    """Promises more of a body than it sends before the connection closes."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % (len(self.body) + 100)), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(self.body), "more_body": True})
        # The server closes the connection of an application that ends in the middle.


def _answer(archive: Archive, request: Request) -> Response:
    table = request.path_params["table"]
    if table not in archive.tables:
        raise _Refused(404, "42P01", f'relation "public.{table}" does not exist')
    asked = request.query_params.multi_items()
    rows = archive.tables[table]
    for name, value in asked:
        if name not in ("select", "order", "limit", "offset"):
            passes = _condition(table, name, value)
            rows = [row for row in rows if passes(row)]
    for column, is_descending in reversed(_order(table, request.query_params.get("order", ""))):
        rows = sorted(rows, key=lambda row: _value(column, row[column]), reverse=is_descending)
    return _page(archive, request, table, rows)


def _page(archive: Archive, request: Request, table: str, rows: list[Row]) -> Response:
    query = request.query_params
    first, limit = int(query.get("offset", 0)), int(query.get("limit", archive.cap))
    if found := re.fullmatch(r"(\d+)-(\d*)", request.headers.get("range", "")):
        first = int(found[1])
        limit = int(found[2]) - first + 1 if found[2] else limit
    total = len(rows)
    is_counted = "count=exact" in request.headers.get("prefer", "")
    if is_counted and first > total:
        raise _Refused(416, "PGRST103", "Requested range not satisfiable")
    rows = rows[first : first + min(limit, archive.cap)]
    shown = _selected(archive, table, query.get("select", "*"), rows)
    if request.headers.get("accept", "") == _SINGLE:
        if len(shown) != 1:
            message = "JSON object requested, multiple (or no) rows returned"
            raise _Refused(406, "PGRST116", message)
        return _json(shown[0])
    span = f"{first}-{first + len(shown) - 1}" if shown else "*"
    whole = not is_counted or len(shown) == total
    headers = {"content-range": f"{span}/{total if is_counted else '*'}"}
    return _json(shown, 200 if whole else 206, headers)


def _known(table: str, column: str) -> str:
    if column not in _COLUMNS[table]:
        raise _Refused(400, "42703", f"column {table}.{column} does not exist")
    return column


def _condition(table: str, name: str, text: str) -> Test:
    if name == "or":
        if not (text.startswith("(") and text.endswith(")")):
            raise _malformed(text)
        parts = [_split(part) for part in _listed(text[1:-1])]
        tests = [_test(table, column, value) for column, value in parts]
        return lambda row: any(test(row) for test in tests)
    return _test(table, name, text)


def _split(part: str) -> tuple[str, str]:
    column, separator, rest = part.partition(".")
    if not separator:
        raise _malformed(part)
    operator, _, value = rest.partition(".")
    # Within a list a value with reserved characters stands in quotes.
    if value.startswith('"') and value.endswith('"'):
        value = value[1:-1]
    elif re.search(r"[,.:()]", value):
        raise _malformed(part)
    return column, f"{operator}.{value}"


def _listed(text: str) -> list[str]:
    return re.findall(r'(?:"[^"]*"|[^,"])+', text)


def _malformed(text: str) -> _Refused:
    return _Refused(400, "PGRST100", f'"failed to parse filter ({text})" (line 1, column 1)')


def _test(table: str, column: str, text: str) -> Test:
    _known(table, column)
    operator, separator, given = text.partition(".")
    if not separator:
        raise _malformed(text)
    if operator in ("like", "ilike"):
        flags = re.IGNORECASE if operator == "ilike" else 0
        pattern = re.compile(_pattern(given), flags | re.DOTALL)
        return lambda row: row[column] is not None and bool(pattern.fullmatch(row[column]))
    if operator == "is":
        return lambda row: row[column] is {"null": None, "true": True, "false": False}[given]
    if operator == "in":
        wanted = {each.strip('"') for each in _listed(given[1:-1])}
        return lambda row: str(row[column]) in wanted
    value = _value(column, given)
    compare: dict[str, Callable[[Any], bool]] = {
        "eq": lambda it: it == value,
        "neq": lambda it: it != value,
        "gt": lambda it: it > value,
        "gte": lambda it: it >= value,
        "lt": lambda it: it < value,
        "lte": lambda it: it <= value,
    }
    if operator not in compare:
        raise _malformed(text)
    return lambda row: row[column] is not None and compare[operator](_value(column, row[column]))


def _pattern(text: str) -> str:
    r"""A LIKE pattern as a regular expression: `%`, `*` and `_`, with `\` before what is meant."""
    meant = {"%": ".*", "*": ".*", "_": "."}
    found = re.finditer(r"\\(.)|(.)", text, re.DOTALL)
    return "".join(
        re.escape(each[1]) if each[1] else meant.get(each[2], re.escape(each[2])) for each in found
    )


def _value(column: str, value: Any) -> Any:
    """A value as its column's type compares; all but dates and the numbers of uploads are text."""
    if column == "id":
        return int(value)
    if column not in _DATES:
        return str(value)
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        message = f'invalid input syntax for type timestamp with time zone: "{value}"'
        raise _Refused(400, "22007", message) from error


def _order(table: str, text: str) -> list[tuple[str, bool]]:
    parts = [part.split(".") for part in text.split(",") if part]
    return [(_known(table, part[0]), "desc" in part[1:]) for part in parts]


def _selected(archive: Archive, table: str, text: str, rows: list[Row]) -> list[Row]:
    """What a `select` makes of rows."""
    plain: list[str] = []
    embedded: list[tuple[str, bool, dict[str, list[Row]]]] = []
    for part in re.findall(r"(?:[^,(]+\([^)]*\)|[^,]+)", text):
        if part == "*":
            plain += _COLUMNS[table]
        elif (found := re.fullmatch(r"(\w+)(?:!(\w+))?\(([\w,]*)\)", part)) is not None:
            key, column = _foreign_key(table, found[1], found[2])
            columns = [_known(found[1], name) for name in found[3].split(",")]
            theirs = archive.joined(found[1], column, columns)
            embedded.append((found[1], key in _ONE_ROW, theirs))
        else:
            plain.append(_known(table, part))
    own = "account_id" if table == "all_account" else "tweet_id"
    shown = [{name: row[name] for name in plain} for row in rows]
    for other, is_one, theirs in embedded:
        for row, each in zip(rows, shown, strict=True):
            found_rows = theirs.get(row[own], [])
            each[other] = next(iter(found_rows), None) if is_one else found_rows
    return shown


def _foreign_key(table: str, other: str, hint: str | None) -> tuple[str, str]:
    keys = _KEYS.get((table, other), {})
    if hint is not None:
        keys = {name: column for name, column in keys.items() if name == hint}
    if not keys:
        message = f"Could not find a relationship between '{table}' and '{other}'"
        raise _Refused(400, "PGRST200", f"{message} in the schema cache")
    if len(keys) > 1:
        message = f"Could not embed because more than one relationship was found for '{table}'"
        raise _Refused(300, "PGRST201", f"{message} and '{other}'", "Try changing …")
    return next(iter(keys.items()))
