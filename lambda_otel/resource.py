"""The resource: what the environment says about the function, and what the user says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from . import semconv
from .variables import Reader, names


def resource(reader: Reader) -> Mapping[str, Any]:
    """What the environment says about the function, then what the user says, which wins.

    Source: https://opentelemetry.io/docs/specs/semconv/resource/faas/
    """
    given: Mapping[str, Any] = reader.overrides.get("resource_attributes") or {}
    found = {**_lambda_resource(reader), **_resource_attributes(reader), **given}
    service = (
        reader.overrides.get("service_name")
        or given.get(semconv.SERVICE_NAME)
        or reader.text("OTEL_SERVICE_NAME")
        or found.get(semconv.SERVICE_NAME)
        or reader.text("AWS_LAMBDA_FUNCTION_NAME")
        or "unknown_service"
    )
    return {**found, semconv.SERVICE_NAME: service}


def _lambda_resource(reader: Reader) -> dict[str, Any]:
    text = reader.text
    if not text("AWS_LAMBDA_FUNCTION_NAME"):
        return {}
    memory = text("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or ""
    group, stream = text("AWS_LAMBDA_LOG_GROUP_NAME"), text("AWS_LAMBDA_LOG_STREAM_NAME")
    found: dict[str, Any] = {
        semconv.CLOUD_PROVIDER: semconv.CLOUD_PROVIDER_AWS,
        semconv.CLOUD_PLATFORM: semconv.CLOUD_PLATFORM_AWS_LAMBDA,
        semconv.CLOUD_REGION: text("AWS_REGION"),
        semconv.FAAS_NAME: text("AWS_LAMBDA_FUNCTION_NAME"),
        semconv.FAAS_VERSION: text("AWS_LAMBDA_FUNCTION_VERSION"),
        semconv.FAAS_INSTANCE: stream,
        semconv.FAAS_MAX_MEMORY: int(memory) * 1_048_576 if memory.isdecimal() else None,
        semconv.AWS_LOG_GROUP_NAMES: (group,) if group else None,
        semconv.AWS_LOG_STREAM_NAMES: (stream,) if stream else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _resource_attributes(reader: Reader) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in names(reader.text("OTEL_RESOURCE_ATTRIBUTES") or ""):
        key, equals, value = item.partition("=")
        if equals and key.strip():
            found[unquote(key.strip())] = unquote(value.strip())
        else:
            reader.problems.append("OTEL_RESOURCE_ATTRIBUTES: an item is not of the form key=value, left out")
    return found
