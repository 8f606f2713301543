"""The model card: what a release is, where it comes from and what it is not, for its readers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.records import Counts, Profile
from tasks.publishing.context import ReleaseContext
from tasks.publishing.escaping import AND, markup
from tasks.publishing.loss_curve import NAME as LOSSES
from tasks.publishing.loss_curve import has_losses
from tasks.publishing.metadata import START, hub_id, metadata

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATE = Path(__file__).with_name("card.md.j2")
# What a CSS url('…') in a style attribute can hold without any escape.
_PLAIN_URL = re.compile(r"https://[A-Za-z0-9.-]+/[A-Za-z0-9._~/%?=-]*")
_NAME_LIMIT = 60
_TITLES = {"retweet": "Retweets", "short": "Short tweets", "duplicate": "Repeated tweets"}
_ALWAYS = ("retweet", "short")
_SOURCES = {
    "table": "a table of posts",
    "x_archive": "the owner's archive",
    "x_api": "the API of X",
    "bluesky": "the public API of Bluesky",
}


def render_card(context: ReleaseContext) -> str:
    """The README.md of a release: metadata, then Markdown. Account text in it is escaped."""
    body = _template().render(
        release=context,
        header=[_header(profile) for profile in context.profiles],
        names=_names(context),
        table=list(_table(context)),
        sources=_sources(context),
        period=_period(context),
        base=_base(context),
        base_on_hub=hub_id(context.base) is not None,
        hyperparameters=list(_hyperparameters(context)),
        tracked=_link(context.tracked.url),
        preprocessed=_link(context.tracked.preprocess_url),
        samples=context.evaluation.samples or len(context.evaluation.predictions),
        gate=[markup(reason) for reason in context.gate.reasons] if context.gate else [],
        curve=LOSSES if has_losses(context) else None,
        project=_link(context.project_url),
        model=context.repository or f"releases/{context.bot.name}/latest",
        start=START,
        predictions=[markup(p.text) for p in context.evaluation.predictions if p.start == START],
    )
    return f"---\n{metadata(context)}\n---\n\n{body}"


@cache
def _template() -> Template:
    import jinja2

    # What comes from outside is escaped for Markdown and HTML at once by `markup`.
    environment = jinja2.Environment(
        autoescape=False,  # noqa: S701  (HTML's escapes alone would leave Markdown open)
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"markup": markup, "figure": _figure}
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def _figure(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.2f}"


def _header(profile: Profile) -> dict[str, str | None]:
    name = markup(profile.display_name, _NAME_LIMIT) or markup(str(profile.handle))
    url = profile.avatar_url or ""
    return {
        "name": name,
        "handle": markup(str(profile.handle)),
        "avatar": url if _PLAIN_URL.fullmatch(url) else None,
    }


def _names(context: ReleaseContext) -> str:
    return AND.join(str(_header(profile)["name"]) for profile in context.profiles)


def _table(context: ReleaseContext) -> Iterator[tuple[str, list[int]]]:
    """The rows of counts: a title and a number for each handle."""
    counts = [context.corpus.counts[str(handle)] for handle in context.bot.handles]
    yield "Tweets downloaded", [each.downloaded for each in counts]
    for reason in _reasons(counts):
        numbers = [each.dropped.get(reason, 0) for each in counts]
        if reason in _ALWAYS or any(numbers):
            yield _title(reason), numbers
    yield "Tweets kept", [each.kept for each in counts]


def _reasons(counts: list[Counts]) -> list[str]:
    return list(dict.fromkeys((*_ALWAYS, *(reason for each in counts for reason in each.dropped))))


def _title(reason: str) -> str:
    return _TITLES.get(reason) or markup(reason.replace("_", " ").capitalize())


def _sources(context: ReleaseContext) -> str:
    return " and ".join(_SOURCES.get(each, markup(each)) for each in context.corpus.sources)


def _period(context: ReleaseContext) -> tuple[str, str] | None:
    first, last = context.corpus.first_post, context.corpus.last_post
    return (markup(first[:10]), markup(last[:10])) if first and last else None


def _base(context: ReleaseContext) -> str:
    """The base in Markdown: a link to the Hub, or its origin in words."""
    if (model := hub_id(context.base)) is not None:
        return f"[{markup(model)}](https://huggingface.co/{model})"
    return markup(context.base.origin)


def _hyperparameters(context: ReleaseContext) -> Iterator[tuple[str, str]]:
    spec, checkpoint = context.spec, context.checkpoint
    yield "Learning rate (highest)", f"{checkpoint.learning_rate:g}"
    yield "Schedule", f"{spec.schedule}, {spec.warmup:.0%} warm-up"
    yield "Epochs", f"{checkpoint.epochs:.2g} of at most {spec.epochs}"
    yield "Optimizer", f"AdamW, weight decay {spec.weight_decay:g}, clipped at {spec.clip:g}"
    yield "Tokens a step", f"{spec.batch_tokens}"
    yield "Longest post", f"{spec.max_tokens} tokens"
    yield "Steps", f"{checkpoint.steps}"
    yield "Tokens trained on", f"{checkpoint.tokens:,}"
    yield "Precision", markup(checkpoint.precision)
    yield "Seed", f"{spec.seed}"


def _link(url: str | None) -> str | None:
    return url if url and _PLAIN_URL.fullmatch(url) else None
