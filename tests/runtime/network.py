"""Ports of the loopback interface: free ones, refused ones, and one that swallows connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yields a port that nobody else is given while the block lasts, for a program that is about to listen on it.

    The socket is bound but does not listen: connections are refused, and a program that sets ``SO_REUSEADDR``
    (Go, Rust and Python servers do) may take the port over.
    """
    with socket.socket() as reservation:
        reservation.bind((LOOPBACK, 0))
        # Only after the bind, which would otherwise be allowed to share a port with another reservation.
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield reservation.getsockname()[1]


def wait_until_listening(port: int, is_alive: Callable[[], bool], timeout: float = 10.0) -> None:
    """Waits until a program accepts connections on the port.

    Raises:
        RuntimeError: The program ended, or did not listen within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and is_alive():
        try:
            socket.create_connection((LOOPBACK, port), timeout=1.0).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nothing listens on port {port}")


@contextmanager
def refused_endpoint() -> Iterator[str]:
    """Yields ``http://127.0.0.1:PORT`` where every connection is refused at once.

    A block and not a function: a port that is only believed to be free may be given to the very client that
    connects to it, and TCP then connects that client to itself.
    """
    with reserved_port() as port:
        yield f"http://{LOOPBACK}:{port}"


@contextmanager
def black_hole(port: int = 0) -> Iterator[str]:
    """Yields ``http://127.0.0.1:PORT`` where connecting hangs, as behind a security group that drops packets.

    Args:
        port: One that is reserved already, by default a free one.

    Raises:
        RuntimeError: This kernel still accepts connections although the backlog is full.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(closing(socket.socket()))
        if port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(0)
        for _ in range(16):
            client = stack.enter_context(closing(socket.socket()))
            client.settimeout(0.2)
            try:
                client.connect(listener.getsockname())
            except TimeoutError:
                break
        else:
            raise RuntimeError("the backlog never fills on this kernel")
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
