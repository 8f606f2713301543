"""The card's YAML metadata for the Hub, written by ModelCardData so that no name can break it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.core.hub_ids import is_repository
from tasks.core.records import Base
from tasks.publishing.escaping import plain
from tasks.publishing.release_contents import ReleaseContents

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

HUB = "https://huggingface.co"
START = "My dream is"


def hub_id(base: Base) -> str | None:
    """The Hub id of a base, or None where it does not come from the Hub."""
    return base.origin if is_repository(base.origin) else None


def card_metadata(contents: ReleaseContents) -> str:
    """The card's YAML block, without the `---` around it."""
    from huggingface_hub import ModelCardData

    card = ModelCardData(
        model_name=contents.bot.name,
        language=list(contents.languages) or None,
        license=plain(contents.base.license) if contents.base.license else None,
        library_name="peft" if contents.is_adapter else "transformers",
        pipeline_tag="text-generation",
        base_model=hub_id(contents.base),
        tags=["huggingtweets", "text-generation", "tweets"],
        eval_results=list(_results(contents)) or None,
        **_optional(contents),
    )
    return str(card.to_yaml(line_break="\n"))


def _optional(contents: ReleaseContents) -> dict[str, Any]:
    found: dict[str, Any] = {"widget": [{"text": START}]}
    if hub_id(contents.base):
        found["base_model_relation"] = "adapter" if contents.is_adapter else "finetune"
    if contents.repository:
        found["thumbnail"] = f"{HUB}/{contents.repository}/resolve/main/predictions.png"
    elif contents.site_url:
        found["thumbnail"] = f"{contents.site_url}/bots/{contents.bot.name}/predictions.png"
    return found


def _results(contents: ReleaseContents) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    if (perplexity := contents.evaluation.bot_perplexity) is not None:
        yield EvalResult(
            task_type="text-generation",
            dataset_type="held-out-posts",
            dataset_name=f"Held-out posts of {contents.bot.name}",
            metric_type="perplexity",
            metric_value=round(perplexity, 3),
            metric_name="Held-out perplexity",
        )
