"""The card's metadata, which the Hub reads, built by ModelCardData so that no name can break it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.core.records import Base
from tasks.publishing.context import ReleaseContext
from tasks.publishing.escaping import plain

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_HUB = "https://huggingface.co"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
START = "My dream is"


def hub_id(base: Base) -> str | None:
    """The Hub id that a base comes from, or None where its origin is something else."""
    return base.origin if _HUB_ID.fullmatch(base.origin) else None


def metadata(context: ReleaseContext) -> str:
    """The card's YAML block, without the `---` around it."""
    from huggingface_hub import ModelCardData

    card = ModelCardData(
        model_name=context.bot.name,
        language=list(context.languages) or None,
        license=plain(context.base.license) if context.base.license else None,
        library_name="peft" if context.is_adapter else "transformers",
        pipeline_tag="text-generation",
        base_model=hub_id(context.base),
        tags=["huggingtweets", "text-generation", "tweets"],
        eval_results=list(_results(context)) or None,
        **_optional(context),
    )
    return str(card.to_yaml(line_break="\n"))


def _optional(context: ReleaseContext) -> dict[str, Any]:
    found: dict[str, Any] = {"widget": [{"text": START}]}
    if hub_id(context.base):
        found["base_model_relation"] = "adapter" if context.is_adapter else "finetune"
    if context.repository:
        found["thumbnail"] = f"{_HUB}/{context.repository}/resolve/main/predictions.png"
    return found


def _results(context: ReleaseContext) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    if (perplexity := context.evaluation.bot_perplexity) is not None:
        yield EvalResult(
            task_type="text-generation",
            dataset_type="held-out-posts",
            dataset_name=f"Held-out posts of {context.bot.name}",
            metric_type="perplexity",
            metric_value=round(perplexity, 3),
            metric_name="Held-out perplexity",
        )
