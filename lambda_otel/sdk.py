"""Our TracerProvider and its exporters, from the settings. With `export`, `ids` and `console` the only part that knows the SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider, sampling
from opentelemetry.sdk.version import __version__ as sdk_version

from . import semconv
from ._version import __version__
from .config import ConfigError, Settings
from .export import Buffer, Exporter
from .ids import OwnIdGenerator
from .proxy import is_proxied
from .state import state

_USER_AGENT = f"lambda_otel/{__version__} OTel-OTLP-Exporter-Python/{sdk_version}"


def build(settings: Settings) -> tuple[TracerProvider, Callable[..., bool]]:
    """A provider and what flushes it.

    Raises:
        ConfigError: A setting without which nothing can be traced.
    """
    buffers = [_buffer(_exporter(exporter, settings), settings) for exporter in settings.exporters if exporter != "none"]
    provider = TracerProvider(
        sampler=_sampler(settings),
        resource=_resource(settings),
        id_generator=OwnIdGenerator(),
        span_limits=_span_limits(),
    )
    for buffer in buffers:
        provider.add_span_processor(buffer)
    return provider, _flush_all(buffers)


def _buffer(exporter: Exporter, settings: Settings) -> Buffer:
    return Buffer(
        exporter,
        limit=settings.queue_size,
        batch_size=min(settings.batch_size, settings.queue_size),
        patience=settings.otlp_timeout,
        budget=settings.flush_timeout,
    )


def _flush_all(buffers: list[Buffer]) -> Callable[..., bool]:
    if len(buffers) == 1:
        return buffers[0].flush

    def flush(budget: float, *, insist: bool = False) -> bool:
        share = budget / max(len(buffers), 1)
        left = [buffer for buffer in buffers if not buffer.flush(share, insist=insist)]
        return not left

    return flush


def _exporter(chosen: Any, settings: Settings) -> Exporter:
    if not isinstance(chosen, str):
        from .foreign import ForeignExporter

        return ForeignExporter(chosen)
    if chosen == "console":
        from .console import ConsoleExporter

        return ConsoleExporter()
    if chosen == "otlp":
        return _otlp(settings)
    return _from_entry_point(chosen, "OTEL_TRACES_EXPORTER")


def _otlp(settings: Settings) -> Exporter:
    """Our own sender for OTLP over HTTP in protobuf; the official exporters for everything else."""
    if settings.protocol != "http/protobuf":
        name = {"grpc": "otlp_proto_grpc", "http/json": "otlp_json_http"}.get(settings.protocol, settings.protocol)
        return _from_entry_point(name, "OTEL_EXPORTER_OTLP_PROTOCOL")
    if not settings.endpoint:
        raise ConfigError("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used")
    if is_proxied(settings.endpoint) or urlsplit(settings.endpoint).username:
        return _official(settings)
    from . import otlp

    try:
        return otlp.exporter(settings, _USER_AGENT)
    except OSError as error:
        raise ConfigError(f"OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE or _CLIENT_KEY: {error}") from error


def _official(settings: Settings) -> Exporter:
    """The official exporter, which goes through a proxy."""
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from .foreign import ForeignExporter

    return ForeignExporter(
        OTLPSpanExporter(
            endpoint=settings.endpoint,
            headers=dict(settings.headers),
            timeout=settings.otlp_timeout,
            compression=Compression(settings.compression),
        )
    )


def _from_entry_point(name: str, variable: str) -> Exporter:
    from importlib.metadata import entry_points

    from .foreign import ForeignExporter

    found: list[Any] = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not found:
        raise ConfigError(f"{variable}: no exporter {name!r} is installed")
    return ForeignExporter(found[0].load()())


def _resource(settings: Settings) -> Resource:
    """The resource of the settings; detectors run only if the user names some, since they are looked for in all packages."""
    attributes = {
        semconv.TELEMETRY_SDK_LANGUAGE: "python",
        semconv.TELEMETRY_SDK_NAME: "opentelemetry",
        semconv.TELEMETRY_SDK_VERSION: sdk_version,
        semconv.TELEMETRY_DISTRO_NAME: "lambda_otel",
        semconv.TELEMETRY_DISTRO_VERSION: __version__,
        **settings.resource,
    }
    if settings.resource_detectors:
        return Resource.create(attributes, semconv.SCHEMA_URL)
    return Resource(attributes, semconv.SCHEMA_URL)


def _span_limits() -> SpanLimits:
    try:
        return SpanLimits()
    except ValueError as error:
        state.say_once(f"OTEL_SPAN_*_LIMIT or OTEL_ATTRIBUTE_*_LIMIT: {error}, using the defaults")
        unset = SpanLimits.UNSET
        return SpanLimits(
            max_span_attributes=128,
            max_events=128,
            max_links=128,
            max_event_attributes=128,
            max_link_attributes=128,
            max_attributes=128,
            max_attribute_length=unset,
            max_span_attribute_length=unset,
        )


def _ratio(settings: Settings) -> float:
    argument = settings.sampler_arg
    try:
        ratio = 1.0 if argument is None else float(argument)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        state.say_once(f"OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1, not {argument!r}, using 1.0")
        return 1.0
    return ratio


_SAMPLERS: dict[str, Callable[[Settings], sampling.Sampler]] = {
    "always_on": lambda settings: sampling.ALWAYS_ON,
    "always_off": lambda settings: sampling.ALWAYS_OFF,
    "traceidratio": lambda settings: sampling.TraceIdRatioBased(_ratio(settings)),
    "parentbased_always_on": lambda settings: sampling.DEFAULT_ON,
    "parentbased_always_off": lambda settings: sampling.DEFAULT_OFF,
    "parentbased_traceidratio": lambda settings: sampling.ParentBasedTraceIdRatio(_ratio(settings)),
}


def _sampler(settings: Settings) -> sampling.Sampler:
    """The sampler by name, by its package's entry point, or as it was given."""
    chosen = settings.sampler
    if not isinstance(chosen, str):
        return cast("sampling.Sampler", chosen)
    if chosen.lower() in _SAMPLERS:
        return _SAMPLERS[chosen.lower()](settings)
    from importlib.metadata import entry_points

    try:
        found: list[Any] = list(entry_points(group="opentelemetry_traces_sampler", name=chosen))
        return cast("sampling.Sampler", found[0].load()(settings.sampler_arg))
    except Exception as error:
        fault = "is not known" if isinstance(error, IndexError) else f"raised {type(error).__name__}: {error}"
        state.say_once(f"OTEL_TRACES_SAMPLER: {chosen!r} {fault}, using 'parentbased_always_on'")
        return sampling.DEFAULT_ON


def skips_unsampled(settings: Settings) -> bool:
    """True when a child of an unsampled span is never sampled."""
    return isinstance(settings.sampler, str) and settings.sampler.lower() in (
        "always_off",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    )
