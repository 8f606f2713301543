"""A real Chromium, as an operator's browser."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def running_chromium(*options: str) -> Iterator[Browser]:
    """A headless browser without a profile.

    Where there is none, the test fails in CI, and is skipped with a warning anywhere else.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        _missing("Chromium is not installed: apt-get install --no-install-recommends chromium")
    if find_spec("playwright") is None:
        _missing("playwright is not installed: make install-dev")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, as which CI runs.
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", *options]
        )
        try:
            yield browser
        finally:
            browser.close()


def _missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what)
    warnings.warn(f"{what}; tests that need a browser are skipped", stacklevel=2)
    pytest.skip(what)
