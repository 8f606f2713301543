"""The kinds of GGUF that a release can be had as; apart, so that `--help` loads nothing else."""

from __future__ import annotations

from enum import StrEnum


class GgufKind(StrEnum):
    """How a GGUF holds the matrices: 8 bits and a scale for 32 of them, or bf16, as trained."""

    Q8_0 = "q8_0"
    BF16 = "bf16"
