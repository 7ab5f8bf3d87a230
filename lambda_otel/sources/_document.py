"""The document that a data source reports as changed.

Source: https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/#datasource
"""

from __future__ import annotations

from .. import semconv
from ._base import Attributes, AttributeValue


def document(collection: str | None = None, operation: str | None = None, time: str | None = None) -> Attributes:
    """Attributes of one changed document, of what is known about it."""
    found: dict[str, AttributeValue] = {}
    if collection:
        found[semconv.FAAS_DOCUMENT_COLLECTION] = collection
    if operation:
        found[semconv.FAAS_DOCUMENT_OPERATION] = operation
    if time:
        found[semconv.FAAS_DOCUMENT_TIME] = time
    return found


def common(documents: list[Attributes]) -> Attributes:
    """The attributes that are the same in all documents."""
    if not documents:
        return {}
    shared = dict(documents[0])
    for other in documents[1:]:
        for key in [key for key, value in shared.items() if other.get(key) != value]:
            del shared[key]
    return shared
