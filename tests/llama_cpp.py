"""llama.cpp, as the programs run it that read a GGUF."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import xllamacpp


@dataclass(frozen=True)
class LlamaCpp:
    """A GGUF in memory, over the HTTP of llama.cpp's own server."""

    url: str

    def ids(self, text: str, *, marks: bool = False) -> list[int]:
        """The tokens of a text; marks: with the begin mark, if the file asks for it."""
        return list(self._ask("tokenize", content=text, add_special=marks)["tokens"])

    def greedy(self, prompt: str, tokens: int) -> list[int]:
        """The likeliest tokens after a prompt."""
        answer = self._ask(
            "completion", prompt=prompt, n_predict=tokens, temperature=0, top_k=1,
            return_tokens=True, cache_prompt=False,
        )  # fmt: skip
        return list(answer["tokens"])

    def _ask(self, what: str, **question: Any) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/{what}", content=json.dumps(question), timeout=60)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def running_llama_cpp(gguf: Path) -> Iterator[LlamaCpp]:
    """llama.cpp with a model, on one thread of this process' own."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(gguf)
    parameters.n_ctx, parameters.n_parallel, parameters.n_gpu_layers = 128, 1, 0
    parameters.warmup, parameters.cpuparams.n_threads = False, 1
    server = xllamacpp.Server(parameters)
    yield LlamaCpp(server.listening_address)
    del server
