"""Ports of this machine that a step's server is reached at."""

from __future__ import annotations

import socket

from isomer.errors import UserError


def check_free(port: int) -> None:
    """Raises UserError where another program listens on a port: before an image is built for what cannot be."""
    with socket.socket() as asked:
        # as servers do: a connection that has just ended is no hindrance
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind(("127.0.0.1", port))
        except OSError as error:
            other = port + 1 if port < 65535 else port - 1
            raise UserError(f"--port {port}: {error.strerror}; give another, like {other}") from None
