"""Whether the environment asks for a proxy on the way to an endpoint."""

from __future__ import annotations

import os
from urllib.parse import urlsplit


def is_proxied(url: str) -> bool:
    """True when `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY` covers the URL and `NO_PROXY` does not exempt its host.

    A host on the loopback interface, such as a collector extension, is never proxied.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if host in ("localhost", "::1") or host.startswith("127."):
        return False
    if not (_variable(f"{parts.scheme}_proxy") or _variable("all_proxy")):
        return False
    exempt = [entry.strip().lower().lstrip(".") for entry in _variable("no_proxy").split(",")]
    return not any(entry in ("*", host) or host.endswith("." + entry) for entry in exempt if entry)


def _variable(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ""
