"""wllama, llama.cpp as WebAssembly, with which a bot writes in a browser.

It is no part of this project: a site gets its files, and its licence, from npm.
"""

from __future__ import annotations

from pathlib import Path

from tasks.storage.npm_packages import NpmPackage, npm_files

WLLAMA = NpmPackage(
    "@wllama/wllama",
    "3.8.1",
    "sha512-Pl7BEJhPU8OHnV/yhn3DFZYhLLOdSHh+4TND79WCftHnlUAdQPAsyc/CfIOY+4mVxvf5VW3Xw3Uf7BBfotS1gw"
    "==",
    {
        "package/esm/index.min.js": "index.min.js",
        "package/esm/wasm/wllama.wasm": "wllama.wasm",
        "package/LICENCE": "LICENCE",
    },
)


def wllama_files(cache: Path) -> Path:
    """The folder with its files, fetched on first use. Raises as `npm_files` does."""
    return npm_files(WLLAMA, cache)
