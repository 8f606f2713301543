"""Whether a server can listen, before anything is started for it."""

from __future__ import annotations

import socket

from tasks.core.errors import BadInput


def refuse_used_port(host: str, port: int, option: str = "--port") -> None:
    """Raises BadInput where the port of the host cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except socket.gaierror as error:
            raise BadInput(f"--host {host}: this name or address is not known") from error
        except OSError as error:
            raise BadInput(
                f"port {port} of {host} cannot be used ({error.strerror}): choose another {option}"
            ) from error
