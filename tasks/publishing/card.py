"""The model card (README.md) of a release."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.records import Counts, Profile
from tasks.publishing.card_metadata import START, card_metadata, hub_id
from tasks.publishing.escaping import AND, markdown, markup, plain
from tasks.publishing.initials import colour_of, initials
from tasks.publishing.loss_curve import NAME as LOSSES
from tasks.publishing.loss_curve import has_losses
from tasks.publishing.release_contents import ReleaseContents

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATE = Path(__file__).with_name("card.md.j2")
# URLs that need no escaping in a CSS url('…') in a style attribute.
_PLAIN_URL = re.compile(r"https://[A-Za-z0-9.-]+/[A-Za-z0-9._~/%?=-]*")
_NAME_LIMIT = 60
_TITLES = {"retweet": "Retweets", "short": "Short tweets", "duplicate": "Repeated tweets"}
_ALWAYS = ("retweet", "short")
_SOURCES = {
    "table": "a table of posts",
    "x_archive": "the account owner's X archive",
    "community_archive": "the Community Archive, to which the accounts' owners gave them",
    "x_api": "the X API",
    "bluesky": "the public Bluesky API",
    "bluesky_export": "the account owner's export from Bluesky",
    "mastodon": "the account owner's Mastodon archive",
}


def render_card(contents: ReleaseContents, ggufs: Sequence[str] = ()) -> str:
    """The README.md of a release: metadata, then Markdown. Text from accounts is escaped.

    ggufs: the names of its GGUF files.
    """
    body = _template().render(
        release=contents,
        header=_headers(contents),
        names=_names(contents, "name"),
        names_in_html=_names(contents, "html"),
        downloaded=contents.corpus.downloaded,
        contact=_contact(contents.contact),
        table=list(_table(contents)),
        sources=_sources(contents),
        period=_period(contents),
        base=_base(contents),
        base_on_hub=hub_id(contents.base) is not None,
        hyperparameters=list(_hyperparameters(contents)),
        tracked=_link(contents.tracked.url),
        swept=_link(contents.sweep_url),
        preprocessed=_link(contents.tracked.preprocess_url),
        samples=contents.evaluation.samples or len(contents.evaluation.predictions),
        gate=[markdown(reason) for reason in contents.gate.reasons] if contents.gate else [],
        curve=LOSSES if has_losses(contents) else None,
        project=_link(contents.project_url),
        site=_link(f"{contents.site_url}/" if contents.site_url else None),
        gguf=next(iter(ggufs), None),
        model=contents.repository or ".",
        start=START,
        predictions=[markdown(p.text) for p in contents.evaluation.predictions if p.start == START],
    )
    return f"---\n{card_metadata(contents)}\n---\n\n{body}"


@cache
def _template() -> Template:
    import jinja2

    # `markup` escapes outside text for Markdown and HTML at once.
    environment = jinja2.Environment(
        autoescape=False,  # noqa: S701  (HTML's escapes alone would leave Markdown open)
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"markdown": markdown, "figure": _figure}
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def _figure(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.2f}"


def _header(profile: Profile, most: int) -> dict[str, str | None]:
    name = plain(profile.display_name, _NAME_LIMIT) or profile.handle.written
    url = profile.avatar_url or ""
    return {
        "name": markdown(name, _NAME_LIMIT),
        "html": markup(name, _NAME_LIMIT),
        "initials": markup(initials(profile, most)),
        "colour": colour_of(profile),
        "handle": markup(profile.handle.written),
        "avatar": url if _PLAIN_URL.fullmatch(url) else None,
    }


def _headers(contents: ReleaseContents) -> list[dict[str, str | None]]:
    most = 2 if len(contents.profiles) == 1 else 1
    return [_header(profile, most) for profile in contents.profiles]


def _names(contents: ReleaseContents, form: str) -> str:
    return AND.join(str(header[form]) for header in _headers(contents))


def _table(contents: ReleaseContents) -> Iterator[tuple[str, list[int]]]:
    """The rows of counts: a title and a number for each handle."""
    counts = [contents.corpus.counts[str(handle)] for handle in contents.bot.handles]
    yield "Tweets downloaded", [each.downloaded for each in counts]
    for reason in _reasons(counts):
        numbers = [each.dropped.get(reason, 0) for each in counts]
        if reason in _ALWAYS or any(numbers):
            yield _title(reason), numbers
    yield "Tweets kept", [each.kept for each in counts]


def _reasons(counts: list[Counts]) -> list[str]:
    return list(dict.fromkeys((*_ALWAYS, *(reason for each in counts for reason in each.dropped))))


def _title(reason: str) -> str:
    return _TITLES.get(reason) or markdown(reason.replace("_", " ").capitalize())


def _sources(contents: ReleaseContents) -> str:
    return " and ".join(_SOURCES.get(each, markdown(each)) for each in contents.corpus.sources)


def _period(contents: ReleaseContents) -> tuple[str, str] | None:
    first, last = contents.corpus.first_post, contents.corpus.last_post
    return (markdown(first[:10]), markdown(last[:10])) if first and last else None


def _base(contents: ReleaseContents) -> str:
    """The base in Markdown: a link to the Hub, or its origin as text."""
    if (model := hub_id(contents.base)) is not None:
        return f"[{markdown(model)}](https://huggingface.co/{model})"
    return markdown(contents.base.origin)


def _hyperparameters(contents: ReleaseContents) -> Iterator[tuple[str, str]]:
    spec, checkpoint = contents.spec, contents.checkpoint
    yield "Learning rate (peak)", f"{checkpoint.learning_rate:g}"
    yield "Schedule", f"{spec.schedule}, {spec.warmup:.0%} warm-up"
    warm = checkpoint.warm_start is not None
    most = "over the new tweets" if warm else f"of at most {spec.epochs}"
    yield "Epochs", f"{checkpoint.epochs:.2g} {most}"
    yield "Optimizer", f"AdamW, weight decay {spec.weight_decay:g}, clipped at {spec.clip:g}"
    yield "Tokens per step", f"{spec.batch_tokens}"
    yield "Longest post", f"{spec.max_tokens} tokens"
    yield "Steps", f"{checkpoint.steps}"
    yield "Tokens trained on", f"{checkpoint.tokens:,}"
    yield "Precision", markdown(checkpoint.precision)
    yield "Seed", f"{spec.seed}"


def _contact(contact: str | None) -> str | None:
    """Whom to ask for removal, in Markdown: a page as a link, anything else as text."""
    if not contact:
        return None
    return f"<{contact}>" if _PLAIN_URL.fullmatch(contact) else markdown(contact)


def _link(url: str | None) -> str | None:
    return url if url and _PLAIN_URL.fullmatch(url) else None
