"""Addresses of dispatchers: what is one, and whether somebody listens there."""

import socket

LAST_PORT = (1 << 16) - 1


def without_protocol(text: str) -> str:
    """`HOST:PORT` of an address that may begin with `grpc://`; ValueError for another text."""
    address = text.removeprefix("grpc://")
    host, _, port = address.rpartition(":")
    if "://" in address or not (host and port.isdecimal() and 0 < int(port) <= LAST_PORT):
        raise ValueError(f'should be "HOST:PORT" or "grpc://HOST:PORT". Received: {text!r}')
    return address


def connect(address: str, seconds: float) -> None:
    """Connects to `HOST:PORT` and lets go again; OSError where nobody listens."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), seconds).close()
