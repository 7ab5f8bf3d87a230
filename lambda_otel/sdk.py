"""Our TracerProvider and its exporters, from the settings. With `export`, `ids` and `console` the only part that knows the SDK."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider, sampling
from opentelemetry.sdk.version import __version__ as sdk_version

from . import semconv
from ._version import __version__
from .config import ConfigError, Settings
from .delivery import Exporter
from .export import Buffer
from .ids import OwnIdGenerator
from .proxy import is_proxied
from .state import state

_USER_AGENT = f"lambda_otel/{__version__} OTel-OTLP-Exporter-Python/{sdk_version}"

# Arguments of the SDK's limits, and the variables that it reads for them.
_LIMITS = {
    "max_attributes": "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "max_span_attributes": "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "max_event_attributes": "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "max_link_attributes": "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "max_events": "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "max_attribute_length": "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "max_span_attribute_length": "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
}


class WayOut:
    """What leads from the spans of our provider to the backends."""

    def __init__(self, buffers: list[Buffer], ids: OwnIdGenerator) -> None:
        self._buffers = buffers
        self._ids = ids

    @property
    def is_idle(self) -> bool:
        """True when there is nothing to send."""
        return not [buffer for buffer in self._buffers if not buffer.is_idle]

    def flush(self, budget: float, *, insist: bool = False) -> bool:
        """Sends what has ended; see `Buffer.flush`. Several exporters share the budget."""
        share = budget / max(len(self._buffers), 1)
        left = [buffer for buffer in self._buffers if not buffer.flush(share, insist=insist)]
        return not left

    def forget_open(self) -> None:
        """A new invocation begins; see `Buffer.forget_open`."""
        for buffer in self._buffers:
            buffer.forget_open()

    def keep_unfinished(self, error_type: str) -> None:
        """Keeps the spans that are open; see `Buffer.keep_unfinished`."""
        for buffer in self._buffers:
            buffer.keep_unfinished(error_type)

    def start_anew(self) -> None:
        """In the clone of a snapshot: other ids, nothing of the original's spans."""
        self._ids.reseed()
        for buffer in self._buffers:
            buffer.start_anew()


def build(settings: Settings) -> tuple[TracerProvider, WayOut]:
    """A provider and its way out.

    Raises:
        ConfigError: A setting without which nothing can be traced.
    """
    buffers = [_buffer(_exporter(exporter, settings), settings) for exporter in settings.exporters if exporter != "none"]
    ids = OwnIdGenerator()
    provider = TracerProvider(
        sampler=_sampler(settings),
        resource=_resource(settings),
        id_generator=ids,
        span_limits=_span_limits(settings),
    )
    for buffer in buffers:
        provider.add_span_processor(buffer)
    return provider, WayOut(buffers, ids)


def _buffer(exporter: Exporter, settings: Settings) -> Buffer:
    return Buffer(
        exporter,
        limit=settings.queue_size,
        batch_size=min(settings.batch_size, settings.queue_size),
        patience=settings.otlp_timeout,
        budget=settings.flush_timeout,
    )


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
        raise ConfigError  # it was said when the settings were read
    parts = urlsplit(settings.endpoint)
    if parts.scheme == "https":
        _check_files(settings)
    credentials = settings.credential_provider
    with _blaming(credentials or "OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE or _CLIENT_KEY"):
        if credentials or is_proxied(settings.endpoint) or parts.username or not settings.endpoint.isascii():
            return _official(settings)
        from . import otlp

        return otlp.exporter(settings, _USER_AGENT)


def _check_files(settings: Settings) -> None:
    files = {
        "OTEL_EXPORTER_OTLP_CERTIFICATE": settings.certificate,
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": settings.client_certificate,
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": settings.client_key,
    }
    for variable, file in files.items():
        if file:
            with _blaming(f"{variable}: {file}"):
                open(file, "rb").close()  # noqa: PTH123 (pathlib would be a fortieth of the cold start)


@contextmanager
def _blaming(variable: str) -> Generator[None, None, None]:
    """Raises whatever goes wrong as a fault of this setting."""
    try:
        yield
    except Exception as error:
        raise ConfigError(f"{variable}: {getattr(error, 'strerror', None) or error}") from error


def _official(settings: Settings) -> Exporter:
    """The official exporter, which knows proxies, credentials in URLs, sessions of credential providers and any alphabet."""
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from .foreign import ForeignExporter

    return ForeignExporter(
        OTLPSpanExporter(
            endpoint=settings.endpoint,
            certificate_file=settings.certificate,
            client_key_file=settings.client_key,
            client_certificate_file=settings.client_certificate,
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
    with _blaming(variable):
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


def _span_limits(settings: Settings) -> SpanLimits:
    """The limits of the environment. The SDK reads them itself, and gives up at a value that is no number, so it is kept from those."""
    given = {"max_links": settings.max_links}
    for argument, variable in _LIMITS.items():
        value = os.environ.get(variable, "").strip()
        if value and not value.isdecimal():
            state.say_once(f"{variable}: must be a whole number, not {value!r}, using the default")
            given[argument] = SpanLimits.UNSET if argument.endswith("length") else 128
    return SpanLimits(**given)


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
