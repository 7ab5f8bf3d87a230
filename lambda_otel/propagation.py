"""Trace context in and out of carriers, with the propagators that are configured.

W3C goes before X-Ray whatever the order of their names. X-Ray headers come in forms that its propagator drops or misreads; they are
repaired first.

Source: https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/#aws-x-ray-active-tracing-considerations
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, cast

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .config import Settings
from .sources import Carrier
from .state import state
from .traceparent import span_context_of

XRAY_HEADER = "X-Amzn-Trace-Id"
XRAY_KEY = "x-amzn-trace-id"
XRAY_ENVIRONMENT = "_X_AMZN_TRACE_ID"

_XRAY_KEYS = frozenset({XRAY_KEY})
_SPAN_KEYS = (frozenset({"traceparent", "tracestate"}), _XRAY_KEYS)  # of those that read nothing but a span
_BAGGAGE_KEYS = frozenset({"baggage"})
_STANDARD_KEYS = frozenset({"traceparent", "tracestate", "baggage", XRAY_KEY})

_Keyed: TypeAlias = "tuple[TextMapPropagator, frozenset[str]]"


class Extracted:
    """What carriers held.

    Attributes:
        context: Holds the remote span, if any, and baggage; empty otherwise.
        span_context: The remote span's context, None when there is none.
        unsampled: An X-Ray context that is not sampled and therefore no parent, but worth a link.
    """

    __slots__ = ("context", "span_context", "unsampled")

    def __init__(self, context: Context, span_context: SpanContext | None = None, unsampled: SpanContext | None = None) -> None:
        self.context = context
        self.span_context = span_context
        self.unsampled = unsampled


class Propagation:
    """The configured propagators.

    Args:
        propagators: Each with the lower-case keys that it reads; an empty set means that it must always be asked. One overrules those
            before it.
        reads_environment: True with `xray-lambda`: the context of Lambda's active tracing is used.
        obeys_xray_sampling: True when an unsampled X-Ray context is a parent like any other.
    """

    def __init__(self, propagators: tuple[_Keyed, ...], reads_environment: bool, obeys_xray_sampling: bool) -> None:
        self._writers = propagators
        self._readers = propagators
        self._reads_w3c = any(type(propagator) is TraceContextTextMapPropagator for propagator, _ in propagators)
        self._span_readers = tuple(reader for reader in self._readers if reader[1] != _BAGGAGE_KEYS)
        self._reads_environment = reads_environment
        self._obeys_xray_sampling = obeys_xray_sampling

    def extract(self, carriers: Iterable[Carrier]) -> Extracted:
        """The context of the first carrier that holds a valid span, with the baggage of those before it."""
        return self._extract(carriers, self._readers)

    def sender(self, carriers: Iterable[Carrier]) -> SpanContext | None:
        """The span of the first carrier that holds a valid one, without its baggage."""
        for carrier in carriers:
            found = (self._reads_w3c and span_context_of(carrier)) or self._extract((carrier,), self._span_readers).span_context
            if found is not None:
                return found
        return None

    def _extract(self, carriers: Iterable[Carrier], readers: tuple[_Keyed, ...]) -> Extracted:
        found = Extracted(Context())
        for carrier in carriers:
            self._read(carrier, readers, found)
            if found.span_context is not None:
                break
        return found

    def extract_invocation(self, carriers: Iterable[Carrier]) -> Extracted:
        """The same for the parent of an invocation, for which `xray-lambda` also reads Lambda's own variable.

        The variable goes before an X-Ray header and behind every other format.
        """
        header = os.environ.get(XRAY_ENVIRONMENT) if self._reads_environment else None
        if not header:
            return self._extract(carriers, self._readers)
        carriers = tuple(carriers)
        without_xray = [{key: value for key, value in carrier.items() if key != XRAY_KEY} for carrier in carriers]
        return self.extract((*without_xray, {XRAY_KEY: header}, *carriers))

    def inject(self) -> dict[str, str]:
        """The current context as a new carrier."""
        carrier: dict[Any, Any] = {}
        for propagator, _ in self._writers:
            written: dict[Any, Any] = {}
            try:
                propagator.inject(written)  # pyright: ignore[reportArgumentType] (the default of another parameter)
            except Exception as error:
                _say_fault(propagator, "write", error)
            else:
                carrier.update(written)
        return {key: value for key, value in carrier.items() if isinstance(key, str) and isinstance(value, str) and value}

    def _read(self, carrier: Carrier, readers: tuple[_Keyed, ...], found: Extracted) -> None:
        """Adds to what was found what one carrier holds: the span of the last reader that knows one, and baggage of any."""
        plain: Span | None = None
        unsampled: SpanContext | None = None
        if self._reads_w3c and (span_context := span_context_of(carrier)):
            plain, found.span_context = NonRecordingSpan(span_context), span_context
            found.context = set_span_in_context(plain, found.context)
        for propagator, keys in readers:
            if keys and (keys.isdisjoint(carrier) or (plain is not None and keys in _SPAN_KEYS)):
                continue
            try:
                readable = _with_readable_xray(carrier) if XRAY_KEY in keys and XRAY_KEY in carrier else carrier
                context = propagator.extract(readable, found.context, _ANY_CASE) or found.context
            except Exception as error:
                _say_fault(propagator, "read", error)
                continue
            if context is found.context:
                continue
            if plain is not None:
                found.context = set_span_in_context(plain, context)
                continue
            span_context = get_current_span(context).get_span_context()
            if not span_context.is_valid:
                found.context = context
            elif keys == _XRAY_KEYS and not self._obeys_xray_sampling and not span_context.trace_flags & 1:
                unsampled = span_context
            else:
                found.context, found.span_context = context, span_context
        if found.span_context is None:
            found.unsampled = found.unsampled or unsampled


class _AnyCase(Getter[Carrier]):
    """Reads carriers, whose keys are in lower case, for propagators that spell theirs otherwise."""

    def get(self, carrier: Carrier, key: str) -> list[str] | None:
        value = carrier.get(key.lower())
        return None if value is None else [value]

    def keys(self, carrier: Carrier) -> list[str]:
        return list(carrier)


_ANY_CASE = _AnyCase()


def _say_fault(propagator: TextMapPropagator, verb: str, error: Exception) -> None:
    """Says it without the error's text, in which a header's value may stand."""
    state.say_once(f"{type(propagator).__name__} could not {verb} a trace context: {type(error).__name__}")


def _with_readable_xray(carrier: Carrier) -> Carrier:
    """The carrier with an X-Ray header that is free of what its propagator chokes on."""
    parts: dict[str, str] = {}
    for part in carrier[XRAY_KEY].split(";"):
        key, _, value = part.partition("=")
        parts[key.strip()] = value.strip()
    if parts.get("Sampled") not in ("0", "1"):
        parts["Sampled"] = "0"
    return {**carrier, XRAY_KEY: ";".join(f"{key}={parts[key]}" for key in ("Root", "Parent", "Sampled") if key in parts)}


def propagation() -> Propagation:
    """The propagators of the settings, made on first use."""
    return state.propagation or _made()


def _made() -> Propagation:
    with state.lock:
        if state.propagation is None:
            state.propagation = build(state.settings)
        return state.propagation


def build(settings: Settings) -> Propagation:
    """Propagators by name, W3C last so that it overrules the others. One that cannot be made is left out and said."""
    made: list[_Keyed] = []
    for name in settings.propagators:
        try:
            if name != "none":
                propagator = _make(name) if isinstance(name, str) else name
                made.append((propagator, _keys(propagator)))
        except Exception as error:
            state.say_once(f"OTEL_PROPAGATORS: {name!r} cannot be used ({error or type(error).__name__}), left out")
    return Propagation(
        propagators=tuple(sorted(made, key=lambda one: isinstance(one[0], TraceContextTextMapPropagator))),
        reads_environment="xray-lambda" in settings.propagators,
        obeys_xray_sampling=settings.unsampled_xray == "parent",
    )


def _make(name: str) -> TextMapPropagator:
    return _KNOWN[name]() if name in _KNOWN else _from_entry_point(name)


def _xray() -> TextMapPropagator:
    from opentelemetry.propagators.aws.aws_xray_propagator import AwsXRayPropagator  # pyright: ignore[reportMissingTypeStubs]

    return AwsXRayPropagator()


# Named here so that no entry points are scanned for them. The Lambda variant only adds the environment variable, read above.
_KNOWN: dict[str, Callable[[], TextMapPropagator]] = {
    "tracecontext": TraceContextTextMapPropagator,
    "baggage": W3CBaggagePropagator,
    "xray": _xray,
    "xray-lambda": _xray,
}


def _from_entry_point(name: str) -> TextMapPropagator:
    from importlib.metadata import entry_points

    found: list[Any] = list(entry_points(group="opentelemetry_propagator", name=name))
    if not found:
        raise LookupError("misspelt, or its package is not installed")
    return cast("TextMapPropagator", found[0].load()())


def _keys(propagator: TextMapPropagator) -> frozenset[str]:
    """The keys that a propagator reads, if known. It names those that it writes: for B3 and Jaeger, some of those that it reads."""
    written = frozenset(field.lower() for field in propagator.fields)
    return written if written <= _STANDARD_KEYS else frozenset()


def inject_carrier() -> dict[str, str]:
    """The current context as a new carrier; empty when there is nothing to say or a propagator fails."""
    try:
        return propagation().inject()
    except Exception as error:
        state.say_once(f"the trace context could not be injected: {type(error).__name__}: {error}")
        return {}
