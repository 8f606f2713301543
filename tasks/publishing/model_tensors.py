"""The tensors of a safetensors file, read without torch: numpy has no bf16, so its words are kept.

The file is mapped, so that a tensor takes memory only while it is looked at.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput

_WORDS = {"BF16": np.uint16, "F16": np.float16, "F32": np.float32}


@dataclass(frozen=True)
class Tensor:
    """A tensor of a model.

    dtype: `BF16` (whose 16-bit words `data` holds), `F16` or `F32`.
    """

    name: str
    dtype: str
    data: NDArray[Any]

    def as_float32(self) -> NDArray[np.float32]:
        """Its values; exact, since fp32 holds all of the others'."""
        if self.dtype == "BF16":
            return (self.data.astype(np.uint32) << 16).view(np.float32)
        return self.data.astype(np.float32)


def read_tensors(path: Path) -> Iterator[Tensor]:
    """The tensors of a file, in its order. Raises BadInput for a damaged file or another type."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass  # it checks that all tensors lie in the file, one behind the other
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path}: not a readable safetensors file ({error})") from error
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header: dict[str, Any] = json.loads(stream.read(length))
    mapped = np.memmap(path, mode="r", offset=8 + length)
    header.pop("__metadata__", None)
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if entry["dtype"] not in _WORDS:
            raise BadInput(f"{path}: {name} is {entry['dtype']}, not one of {', '.join(_WORDS)}")
        begin, end = entry["data_offsets"]
        data = mapped[begin:end].view(_WORDS[entry["dtype"]]).reshape(entry["shape"])
        yield Tensor(name, entry["dtype"], data)
