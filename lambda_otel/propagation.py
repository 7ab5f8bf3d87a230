"""Trace context in and out of carriers, with the propagators that are configured.

W3C goes before X-Ray whatever the order of their names. X-Ray headers come in forms that its propagator drops or misreads; they are
repaired first.

Source: https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/#aws-x-ray-active-tracing-considerations
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import DefaultGetter, TextMapPropagator
from opentelemetry.trace import SpanContext, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .config import Settings
from .sources import Carrier
from .state import state

XRAY_HEADER = "X-Amzn-Trace-Id"
XRAY_KEY = "x-amzn-trace-id"
XRAY_ENVIRONMENT = "_X_AMZN_TRACE_ID"

_XRAY_KEYS = frozenset({XRAY_KEY})
_STANDARD_KEYS = frozenset({"traceparent", "tracestate", "baggage", XRAY_KEY})


@dataclass(frozen=True)
class Extracted:
    """What carriers held.

    Attributes:
        context: Holds the remote span, if any, and baggage; empty otherwise.
        unsampled: An X-Ray context that is not sampled and therefore no parent, but worth a link.
    """

    context: Context
    unsampled: SpanContext | None = None

    @property
    def span_context(self) -> SpanContext | None:
        """The remote span's context, None when there is none."""
        found = get_current_span(self.context).get_span_context()
        return found if found.is_valid else None


@dataclass(frozen=True)
class Propagation:
    """The configured propagators, in the order in which one overrules the one before.

    Attributes:
        propagators: Each with the lower-case keys that it reads; an empty set means that it must always be asked.
        reads_environment: True with `xray-lambda`: the context of Lambda's active tracing is used.
        obeys_xray_sampling: True when an unsampled X-Ray context is a parent like any other.
    """

    propagators: tuple[tuple[TextMapPropagator, frozenset[str]], ...]
    reads_environment: bool
    obeys_xray_sampling: bool

    def reads(self, carriers: tuple[Carrier, ...]) -> bool:
        """True when one of the carriers has a key that may hold a context."""
        for carrier in carriers:
            for _, keys in reversed(self.propagators):  # W3C, the likeliest, stands last
                if not keys or not keys.isdisjoint(carrier):
                    return True
        return False

    def extract(self, carriers: Iterable[Carrier]) -> Extracted:
        """The context of the first carrier that holds a valid span, with the baggage of those before it."""
        context, unsampled = Context(), None
        for carrier in carriers:
            context, found = self._extract_one(carrier, context)
            if get_current_span(context).get_span_context().is_valid:
                break
            unsampled = unsampled or found
        return Extracted(context, unsampled)

    def extract_invocation(self, carriers: tuple[Carrier, ...]) -> Extracted:
        """The same for the parent of an invocation, for which `xray-lambda` also reads Lambda's own variable.

        The variable goes before an X-Ray header and behind every other format.
        """
        header = os.environ.get(XRAY_ENVIRONMENT) if self.reads_environment else None
        if not header:
            return self.extract(carriers)
        without_xray = [{key: value for key, value in carrier.items() if key != XRAY_KEY} for carrier in carriers]
        return self.extract((*without_xray, {XRAY_KEY: header}, *carriers))

    def inject(self) -> dict[str, str]:
        """The current context as a new carrier."""
        carrier: dict[Any, Any] = {}
        for propagator, _ in self.propagators:
            written: dict[Any, Any] = {}
            try:
                propagator.inject(written)  # pyright: ignore[reportArgumentType] (the default of another parameter)
            except Exception as error:
                _say_fault(propagator, "write", error)
            else:
                carrier.update(written)
        return {key: value for key, value in carrier.items() if isinstance(key, str) and isinstance(value, str) and value}

    def _extract_one(self, carrier: Carrier, context: Context) -> tuple[Context, SpanContext | None]:
        """The context with what one carrier adds to it; and the X-Ray span that is not sampled and therefore not added."""
        unsampled: SpanContext | None = None
        for propagator, keys in self.propagators:
            if keys and keys.isdisjoint(carrier):
                continue
            try:
                readable = _with_readable_xray(carrier) if XRAY_KEY in keys and XRAY_KEY in carrier else carrier
                found = propagator.extract(readable, context, _ANY_CASE) or context
            except Exception as error:
                _say_fault(propagator, "read", error)
                continue
            if found is not context and keys == _XRAY_KEYS and not self.obeys_xray_sampling:
                span_context = get_current_span(found).get_span_context()
                if not span_context.trace_flags & 1:
                    unsampled = span_context
                    continue
            context = found
        return context, unsampled


class _AnyCase(DefaultGetter):
    """Reads carriers, whose keys are in lower case, for propagators that spell theirs otherwise."""

    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        return super().get(carrier, key.lower())


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
    made: list[tuple[TextMapPropagator, frozenset[str]]] = []
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
