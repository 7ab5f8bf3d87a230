"""The tracer and the way out: the installed TracerProvider as it is, otherwise one of our own from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from opentelemetry import trace

from . import semconv
from ._version import __version__
from .config import ConfigError
from .propagation import propagation
from .state import logger, state

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.sampling import Sampler

_SCOPE = "lambda_otel"


class WayOut(Protocol):
    """What leads from ended spans to the backend."""

    @property
    def is_idle(self) -> bool:
        """True when there is nothing to send."""
        ...

    def flush(self, budget: float, *, insist: bool = False) -> bool:
        """Sends what has ended within a budget in seconds; with `insist` even to a backend that was in trouble."""
        ...

    def forget_open(self) -> None:
        """A new invocation begins: spans that are still open may never end."""
        ...

    def keep_unfinished(self, error_type: str) -> None:
        """Keeps the spans that are open as they are now, marked with this `error.type`."""
        ...

    def start_anew(self) -> None:
        """In the clone of a snapshot: other ids, nothing of the original's spans."""
        ...


class Telemetry:
    """What the decorators need.

    Attributes:
        tracer: Starts spans.
        way_out: Takes what has ended.
        records: False when no span is ever recorded.
        skips_unsampled: True when a child of an unsampled span is never sampled, so that none needs to be made.
        provider: Our provider, to be installed on first use; None when there is another or none.
    """

    __slots__ = ("provider", "records", "skips_unsampled", "tracer", "way_out")

    def __init__(
        self,
        tracer: trace.Tracer,
        way_out: WayOut,
        records: bool = True,
        skips_unsampled: bool = False,
        provider: TracerProvider | None = None,
    ) -> None:
        self.tracer = tracer
        self.way_out = way_out
        self.records = records
        self.skips_unsampled = skips_unsampled
        self.provider = provider

    def skips(self, parent: trace.SpanContext | None) -> bool:
        """True when a span under this remote parent would not be recorded."""
        unsampled = parent is not None and not parent.trace_flags & 1 and parent.is_valid
        return not self.records or (unsampled and self.skips_unsampled)


def telemetry() -> Telemetry:
    """The tracer and its way out, made and installed on first use. Never raises."""
    return state.telemetry or _start()


def _start() -> Telemetry:
    with state.lock:
        if state.telemetry is None:
            try:
                state.telemetry = _install(state.prepared or _build())
            except Exception as error:
                state.telemetry = _untraced(error)
            state.prepared = None
        return state.telemetry


def prepare() -> None:
    """Builds everything while Lambda initialises, when the time is not the caller's. Outside Lambda this waits for the first use."""
    if state.telemetry is None and state.prepared is None and state.settings.function:
        with state.lock:
            try:
                state.prepared = _build()
                propagation()
            except Exception as error:
                state.prepared = _untraced(error)


def _build() -> Telemetry:
    """Our telemetry by the settings, or the one that is there.

    Raises:
        ConfigError: A setting without which nothing can be traced.
    """
    settings = state.settings
    if settings.disabled:
        return Telemetry(trace.NoOpTracer(), _Nowhere(), records=False)
    if _is_installed() or settings.exporters == ("none",):
        return _adopted()
    from . import sdk  # the SDK is most of the cold start, so it waits until it is needed

    provider, way_out = sdk.build(settings)
    return Telemetry(_tracer(provider), way_out, skips_unsampled=sdk.skips_unsampled(settings), provider=provider)


def _install(built: Telemetry) -> Telemetry:
    """Makes our provider the global one; adopts another that was installed since ours was built, or failed to be."""
    if _is_installed() and not state.settings.disabled:
        return _adopted()
    if built.provider is not None:
        trace.set_tracer_provider(built.provider)
    return built


def _is_installed() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _tracer(provider: trace.TracerProvider | None = None) -> trace.Tracer:
    return trace.get_tracer(_SCOPE, __version__, provider, semconv.SCHEMA_URL)


def _adopted() -> Telemetry:
    """Whatever provider is, or will be, installed; without one, spans are not recorded and contexts pass through."""
    return Telemetry(_tracer(), _Adopted())


def _untraced(error: Exception) -> Telemetry:
    fault = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    if fault:
        logger.error("not tracing: %s", fault)
    return Telemetry(trace.NoOpTracer(), _Nowhere(), records=False)


class _Nowhere:
    """No spans, no way out."""

    is_idle = True

    def flush(self, budget: float, *, insist: bool = False) -> bool:
        return True

    def forget_open(self) -> None:
        pass

    def keep_unfinished(self, error_type: str) -> None:
        pass

    def start_anew(self) -> None:
        pass


class _Adopted(_Nowhere):
    """The way out of a provider that somebody else has installed: all that can be asked of it is to flush."""

    def __init__(self) -> None:
        from .foreign import ForeignFlush

        self.is_idle = False  # it cannot be asked
        self._flush = ForeignFlush()

    def flush(self, budget: float, *, insist: bool = False) -> bool:
        return not _is_installed() or self._flush(trace.get_tracer_provider(), budget)


def configure(
    *,
    service_name: str | None = None,
    resource_attributes: Mapping[str, str | bool | int | float] | None = None,
    exporters: tuple[str | SpanExporter, ...] | None = None,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    compression: str | None = None,
    sampler: Sampler | str | None = None,
    propagators: tuple[str | TextMapPropagator, ...] | None = None,
    flush_timeout: float | None = None,
    flush_margin: float | None = None,
    capture: tuple[str, ...] | None = None,
    message_parent: str | None = None,
    unsampled_xray: str | None = None,
    context_key: str | None = None,
) -> None:
    """Configures in code, before the first invocation. An argument beats its environment variable; None leaves it to that.

    `OTEL_SDK_DISABLED` beats every argument. After the first span the call is ignored and logged.

    Args:
        service_name: `service.name` of the resource.
        resource_attributes: More attributes of the resource.
        exporters: Names (`otlp`, `console`, `none`) or exporters of the SDK.
        endpoint: Full URL that traces are posted to, such as `https://collector.example.com/v1/traces`.
        headers: Sent with each request.
        compression: `none`, `gzip` or `deflate`.
        sampler: A name as in `OTEL_TRACES_SAMPLER`, or a sampler of the SDK.
        propagators: Names as in `OTEL_PROPAGATORS`, or propagators.
        flush_timeout: Seconds that the flush may add to an invocation.
        flush_margin: Seconds before the deadline that the flush leaves untouched.
        capture: Names of attributes that are recorded only when asked for.
        message_parent: Whether the context of a message is the parent: `auto`, `never` or `always`.
        unsampled_xray: What an unsampled X-Ray context is: `link` or `parent`.
        context_key: Key of a payload under which a trace context travels.
    """
    given = {key: value for key, value in locals().items() if value is not None}
    for several in {"exporters", "propagators", "capture"} & given.keys():
        given[several] = (given[several],) if isinstance(given[several], str) else tuple(given[several])
    if "capture" in given:
        given["capture"] = frozenset(name.lower() for name in given["capture"])
    with state.lock:
        if state.telemetry is not None:
            logger.warning("configure() comes after the first span and is ignored: %s", ", ".join(given))
            return
        was_prepared = state.prepared is not None
        state.configure(given)
    if was_prepared:
        prepare()


def flush(timeout: float | None = None) -> bool:
    """Sends all spans that have ended.

    Args:
        timeout: Seconds it may take; by default `LAMBDA_OTEL_FLUSH_TIMEOUT`.

    Returns:
        True only if everything that had ended has left.
    """
    try:
        return telemetry().way_out.flush(state.settings.flush_timeout if timeout is None else timeout, insist=True)
    except Exception as error:
        logger.warning("flush failed: %s", error)
        return False


def send(remaining: float | None) -> bool:
    """Sends what has ended, within the budget and the time that an invocation has left.

    Args:
        remaining: Seconds until the deadline, None when unknown.
    """
    settings = state.settings
    budget = settings.flush_timeout if remaining is None else min(settings.flush_timeout, remaining - settings.flush_margin)
    return budget > 0 and telemetry().way_out.flush(budget)
