"""Run the `retrain` flow as its users do, and look at what came out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from flows.requests import BotRequest, RetrainOptions
from flows.retrain import retrain
from tasks.records import Outcome, Spec

QUICK = Spec(epochs=1, precision="fp32")


def run(requests: list[BotRequest], base: Path, **options: Any) -> tuple[str, dict[str, Outcome]]:
    """The final state's name and the outcomes by bot."""

    async def story() -> tuple[str, dict[str, Outcome]]:
        chosen = RetrainOptions(base=str(base), **{"training": QUICK, **options})
        state = await retrain(requests, chosen, return_state=True)
        outcomes = await state.aresult(raise_on_failure=False)
        return state.name, {outcome.bot: outcome for outcome in outcomes}

    return asyncio.run(story())
