"""How Prefect is set up in every process of `serve`: the server, the workers, the commands."""

from __future__ import annotations

import sys

# Starts the server; `--host` and `--port` follow, or an inherited socket.
SERVER_COMMAND = [sys.executable, "-m", "deployments.server.prefect_server"]
# No usage data to anybody, from servers and from clients.
NO_TELEMETRY = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
# The shortest that Prefect takes; the automations of `automations.py` wait for five of them.
HEARTBEAT_SECONDS = "30"
INHERITED_SOCKET = "--inherited-socket"
UNTIL_STDIN_CLOSES = "--until-stdin-closes"
PREFECT_SETTINGS = {
    **NO_TELEMETRY,
    # In memory, the default, slots would stay held after a restart of the server.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    # The UI calls the server that it came from; other sites' pages must not start or delete runs.
    "PREFECT_SERVER_UI_API_URL": "/api",
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "none",
    # Clients would ask first for a token that this server does not issue: every third request.
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "false",
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": HEARTBEAT_SECONDS,
    # A flow waits eight minutes for a server that is away, instead of one.
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "huggingtweets",
}
