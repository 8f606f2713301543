"""Where the page says that Prefect's UI is."""

from __future__ import annotations

import pytest

from deployments.web.local_server import prefect_ui


@pytest.mark.parametrize(
    ("api", "shown"),
    [
        (None, None),
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200"),
        ("http://[::1]:4200/api/", "http://[::1]:4200"),
        ("https://prefect.example.com/api", "https://prefect.example.com"),
        ("http://server:4200/api", None),
        ("nonsense", None),
    ],
)
def test_the_ui_is_where_a_browser_reaches_it(
    monkeypatch: pytest.MonkeyPatch, api: str | None, shown: str | None
) -> None:
    for name in ("PREFECT_UI_URL", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    if api is not None:
        monkeypatch.setenv("PREFECT_API_URL", api)
    assert prefect_ui() == shown
    monkeypatch.setenv("PREFECT_UI_URL", "https://ui.example.com")
    assert prefect_ui() == "https://ui.example.com"
