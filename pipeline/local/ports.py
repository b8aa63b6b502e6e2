"""Ports of this machine."""

import secrets
import socket

from pipeline.config.errors import UserError

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that is free now, and the next one too; below those that Linux gives to outgoing connections."""
    for _ in range(100):
        port = 20_000 + 2 * secrets.randbelow(6_000)
        if is_free(port) and is_free(port + 1):
            return port
    raise UserError(f"no two free ports in a row on {HOST}: stop something that listens")


def must_be_free(port: int, remedy: str) -> None:
    """Raise UserError with the `remedy` where something listens on a port of 127.0.0.1."""
    if not is_free(port):
        raise UserError(f"port {port} on {HOST} is already in use: {remedy}")


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
