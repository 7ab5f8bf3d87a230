"""OpenTelemetry for AWS Lambda functions in Python: decorate the handler, wrap functions, inject the context."""

from __future__ import annotations

from ._version import __version__
from .extract import extract_http, extract_sns, extract_sqs
from .handler import traced_handler
from .inject import inject_http, inject_sns, inject_sqs
from .inject_payload import inject_eventbridge, inject_invoke
from .provider import configure, flush
from .record import traced_record
from .spans import span

__all__ = [
    "__version__",
    "configure",
    "extract_http",
    "extract_sns",
    "extract_sqs",
    "flush",
    "inject_eventbridge",
    "inject_http",
    "inject_invoke",
    "inject_sns",
    "inject_sqs",
    "span",
    "traced_handler",
    "traced_record",
]
