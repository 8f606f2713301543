from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import (
    AccountNotFound,
    AccountProtected,
    AccountSuspended,
    AccountUnavailable,
    BadInput,
    ServerTrouble,
    SourceExhausted,
    TokenRefused,
)
from tasks.sources.x_api.refusals import error_of, limit_of, refusal_in, refusal_of

NOW = 1_900_000_000.0
PROBLEMS = "https://api.twitter.com/2/problems"
PROTECTED = {
    "title": "Authorization Error",
    "detail": "Sorry, you are not authorized to see the user with id: [7].",
    "type": f"{PROBLEMS}/not-authorized-for-resource",
}
SUSPENDED = {
    "title": "Forbidden",
    "detail": "User has been suspended: [7].",
    "type": f"{PROBLEMS}/resource-not-found",
}
MISSING = {
    "title": "Not Found Error",
    "detail": "Could not find user with id: [7].",
    "type": f"{PROBLEMS}/resource-not-found",
}
OLD_PROTECTED = {"request": "/1.1/x.json", "error": "Not authorized."}
CAPPED = {
    "title": "UsageCapExceeded",
    "detail": "Usage cap exceeded: Monthly product cap",
    "type": f"{PROBLEMS}/usage-capped",
}
CREDITS = {"title": "CreditsDepleted", "type": f"{PROBLEMS}/credits"}
NOT_ENROLLED = {
    "title": "Client Forbidden",
    "reason": "client-not-enrolled",
    "type": f"{PROBLEMS}/client-forbidden",
}
BAD_TOKEN = {"title": "Unauthorized", "type": "about:blank", "detail": "Unauthorized"}


def in_errors(problem: dict[str, str]) -> dict[str, Any]:
    return {"errors": [problem]}


@pytest.mark.parametrize("status", [200, 401, 403, 404])
@pytest.mark.parametrize("shape", [lambda problem: problem, in_errors, lambda problem: [problem]])
@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (PROTECTED, AccountProtected),
        (SUSPENDED, AccountSuspended),
        (MISSING, AccountNotFound),
        (OLD_PROTECTED, AccountProtected),
    ],
)
def test_accounts_that_cannot_be_had(status: int, shape: Any, problem: Any, kind: type[Exception]):
    error = error_of(refusal_in(status, shape(problem), "@drob"))
    assert type(error) is kind
    assert str(error).startswith("@drob: ")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (402, None, SourceExhausted),
        (402, CREDITS, SourceExhausted),
        (403, CREDITS, SourceExhausted),
        (429, CAPPED, SourceExhausted),
        (401, BAD_TOKEN, TokenRefused),
        (401, None, TokenRefused),
        (403, NOT_ENROLLED, TokenRefused),
        (403, {"title": "Forbidden"}, AccountUnavailable),
        (404, None, AccountNotFound),
        (400, {"errors": [{"message": "max_results is too high"}]}, BadInput),
        (400, {"errors": "max_results is too high"}, BadInput),
        (503, {"detail": "over\ncapacity"}, ServerTrouble),
        (418, [[]], ServerTrouble),
    ],
)
def test_other_refusals(status: int, body: object, kind: type[Exception]):
    assert type(error_of(refusal_in(status, body, "@drob"))) is kind


def answer(status: int, body: bytes = b"", **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = body  # noqa: SLF001 - requests has no other way to make an answer
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


@pytest.mark.parametrize("status", [403, 404])
def test_the_page_of_a_proxy_says_nothing_of_the_account(status: int):
    error = error_of(refusal_of(answer(status, b"<html>blocked by your network</html>"), "@drob"))
    assert type(error) is ServerTrouble


def test_an_empty_404_is_a_missing_account():
    assert type(error_of(refusal_of(answer(404), "@drob"))) is AccountNotFound


def test_what_x_says_is_shown_short_and_on_one_line():
    error = error_of(refusal_in(503, {"detail": "a\r\n\x1b[31mb" + "c" * 999}, "@drob"))
    assert "(a [31mbccc" in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_rate_limit_reset": str(int(NOW) + 40)}, 40),
        ({"x_rate_limit_reset": str(int(NOW) + 900), "retry_after": "1"}, 900),
        ({"retry_after": "12"}, 12),
        ({}, 900),
        ({"x_rate_limit_reset": "soon"}, 900),
        ({"x_rate_limit_reset": "nan"}, 900),
        ({"x_rate_limit_reset": "0"}, 900),
        ({"x_rate_limit_reset": "1e300"}, 900),
        ({"x_rate_limit_reset": str(int(NOW) * 1000)}, 900),
    ],
)
def test_when_a_limit_ends(headers: dict[str, str], seconds: int):
    limit = limit_of(answer(429, **headers), "@drob", NOW)
    assert limit.next_attempt_at == datetime.fromtimestamp(NOW + seconds, UTC)


@given(header=st.text(max_size=30))
def test_any_header_gives_a_time_within_a_day(header: str):
    limit = limit_of(answer(429, x_rate_limit_reset=header), "@drob", NOW)
    assert limit.next_attempt_at is not None
    assert abs(limit.next_attempt_at.timestamp() - NOW) <= 86_401
