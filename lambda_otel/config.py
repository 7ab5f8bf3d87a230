"""Settings: OpenTelemetry's own environment variables, and a few of `LAMBDA_OTEL_*` where it has none.

An argument of `configure` beats the environment, which beats the default; only `OTEL_SDK_DISABLED` beats all. A value that cannot be
used is replaced by the default and said in one line.

Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlsplit

from . import semconv

_T = TypeVar("_T")

DEFAULT_ENDPOINT = "http://localhost:4318/v1/traces"
DEFAULT_PROPAGATORS: tuple[Any, ...] = ("tracecontext", "baggage", "xray")

_KNOWN_NAMES = frozenset({"tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "xray-lambda", "otlp", "console", "none"})


_CREDENTIAL_PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
)


class ConfigError(ValueError):
    """A setting without which nothing can be traced; its text names the variable and the value's fault."""


@dataclass(frozen=True)
class Settings:
    """Everything that can be configured, read once.

    Attributes:
        disabled: `OTEL_SDK_DISABLED`.
        function: `AWS_LAMBDA_FUNCTION_NAME`; None outside Lambda.
        runtime_api: `AWS_LAMBDA_RUNTIME_API`; None outside the runtime.
        initialization: `AWS_LAMBDA_INITIALIZATION_TYPE`, such as `on-demand` or `snap-start`.
        exporters: `OTEL_TRACES_EXPORTER`: names, or exporter objects given in code.
        protocol: `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` or `OTEL_EXPORTER_OTLP_PROTOCOL`.
        endpoint: URL that the traces are posted to.
        headers: `OTEL_EXPORTER_OTLP_HEADERS`, sent with each request.
        compression: `gzip`, `deflate` or `none`.
        otlp_timeout: `OTEL_EXPORTER_OTLP_TIMEOUT`, seconds for one request.
        certificate: File with the certificates of the authorities to trust.
        client_certificate: File with the client's certificate.
        client_key: File with the client's key.
        credential_provider: The variable that names an entry point of the official exporter, which makes the session to send with.
        propagators: `OTEL_PROPAGATORS`: names, or propagator objects given in code.
        sampler: `OTEL_TRACES_SAMPLER`: a name, or a sampler object given in code.
        sampler_arg: `OTEL_TRACES_SAMPLER_ARG`.
        resource: Resource attributes from Lambda's environment and the user.
        resource_detectors: True when `OTEL_EXPERIMENTAL_RESOURCE_DETECTORS` names some.
        queue_size: `OTEL_BSP_MAX_QUEUE_SIZE`, ended spans that are kept.
        batch_size: `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`, spans in one request.
        flush_timeout: `LAMBDA_OTEL_FLUSH_TIMEOUT`, seconds that a flush may take.
        flush_margin: `LAMBDA_OTEL_FLUSH_MARGIN`, seconds before the deadline that a flush leaves untouched.
        flush_mode: `LAMBDA_OTEL_FLUSH_MODE`: `sync`, before the answer, or `async`, after it.
        timeout_margin: `LAMBDA_OTEL_TIMEOUT_MARGIN`, seconds before the deadline at which unfinished spans are sent; 0 for never, None
            for a tenth of the function's time-out.
        max_links: `OTEL_SPAN_LINK_COUNT_LIMIT`.
        known_methods: `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`; None for those of the standard.
        capture: `LAMBDA_OTEL_CAPTURE`: attributes that are recorded only when named.
        message_parent: `LAMBDA_OTEL_MESSAGE_PARENT`: `auto`, `never` or `always`.
        unsampled_xray: `LAMBDA_OTEL_UNSAMPLED_XRAY`: what an unsampled X-Ray context is, `link` or `parent`.
        context_key: `LAMBDA_OTEL_CONTEXT_KEY`: key of a payload under which a trace context travels.
        problems: One line for each value that could not be used.
    """

    disabled: bool
    function: str | None
    runtime_api: str | None
    initialization: str
    exporters: tuple[Any, ...]
    protocol: str
    endpoint: str
    headers: Mapping[str, str]
    compression: str
    otlp_timeout: float
    certificate: str | None
    client_certificate: str | None
    client_key: str | None
    credential_provider: str | None
    propagators: tuple[Any, ...]
    sampler: Any
    sampler_arg: str | None
    resource: Mapping[str, Any]
    resource_detectors: bool
    queue_size: int
    batch_size: int
    flush_timeout: float
    flush_margin: float
    flush_mode: str
    timeout_margin: float | None
    max_links: int
    known_methods: frozenset[str] | None
    capture: frozenset[str]
    message_parent: str
    unsampled_xray: str
    context_key: str | None
    problems: tuple[str, ...]


@dataclass
class _Reader:
    """Reads values of an environment and notes what is wrong with them."""

    environ: Mapping[str, str]
    overrides: Mapping[str, Any]
    problems: list[str] = field(default_factory=list[str])

    def text(self, *names: str) -> str | None:
        """The first of the variables that is set; an empty one counts as unset."""
        for name in names:
            if value := self.environ.get(name, "").strip():
                return value
        return None

    def choose(self, key: str, name: str, default: _T, parse: Callable[[str], _T], *fallbacks: str) -> _T:
        """The override, else the parsed variable, else the default. An override that is text is parsed as a variable is."""
        given = self.overrides.get(key)
        if given is not None and not isinstance(given, str):
            return cast("_T", given)
        found = [(f"configure({key}=...)", given), *((variable, self.text(variable)) for variable in (name, *fallbacks))]
        for source, value in found:
            if value is not None:
                try:
                    return parse(value)
                except (ValueError, OverflowError) as error:
                    self.problems.append(f"{source}: {error}, using {default!r}")
                    return default
        return default


def read(environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
    """The settings of an environment.

    Args:
        environ: Such as `os.environ`.
        overrides: Arguments of `configure`, under the names of the settings.
    """
    reader = _Reader(environ, overrides)
    choose, text = reader.choose, reader.text
    propagators = choose("propagators", "OTEL_PROPAGATORS", DEFAULT_PROPAGATORS, _known_names)
    return Settings(
        disabled=choose("disabled", "OTEL_SDK_DISABLED", False, _boolean),
        function=text("AWS_LAMBDA_FUNCTION_NAME"),
        runtime_api=text("AWS_LAMBDA_RUNTIME_API"),
        initialization=text("AWS_LAMBDA_INITIALIZATION_TYPE") or "on-demand",
        exporters=choose("exporters", "OTEL_TRACES_EXPORTER", _default_exporters(reader), _known_names),
        protocol=choose("protocol", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", str.lower, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        endpoint=_endpoint(reader),
        headers=_headers(reader),
        compression=choose(
            "compression",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
            "none",
            _one_of("none", "gzip", "deflate"),
            "OTEL_EXPORTER_OTLP_COMPRESSION",
        ),
        otlp_timeout=choose("otlp_timeout", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", 10.0, _seconds, "OTEL_EXPORTER_OTLP_TIMEOUT"),
        certificate=text("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        client_certificate=text("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        client_key=text("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        credential_provider=next(filter(text, _CREDENTIAL_PROVIDERS), None),
        propagators=propagators,
        sampler=choose("sampler", "OTEL_TRACES_SAMPLER", "parentbased_always_on", str),
        sampler_arg=text("OTEL_TRACES_SAMPLER_ARG"),
        resource=_resource(reader),
        resource_detectors=(text("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS") or "otel") != "otel",
        queue_size=choose("queue_size", "OTEL_BSP_MAX_QUEUE_SIZE", 4096, _positive),
        batch_size=choose("batch_size", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, _positive),
        flush_timeout=choose("flush_timeout", "LAMBDA_OTEL_FLUSH_TIMEOUT", 0.5, _milliseconds),
        flush_margin=choose("flush_margin", "LAMBDA_OTEL_FLUSH_MARGIN", 0.1, _milliseconds),
        flush_mode=choose("flush_mode", "LAMBDA_OTEL_FLUSH_MODE", "sync", _one_of("sync", "async")),
        timeout_margin=choose("timeout_margin", "LAMBDA_OTEL_TIMEOUT_MARGIN", None, _milliseconds),
        max_links=choose("max_links", "OTEL_SPAN_LINK_COUNT_LIMIT", 128, _count),
        known_methods=choose("known_methods", "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", None, lambda v: frozenset(_names(v))),
        capture=choose("capture", "LAMBDA_OTEL_CAPTURE", frozenset(), lambda value: frozenset(_names(value.lower()))),
        message_parent=choose("message_parent", "LAMBDA_OTEL_MESSAGE_PARENT", "auto", _one_of("auto", "never", "always")),
        unsampled_xray=choose(
            "unsampled_xray",
            "LAMBDA_OTEL_UNSAMPLED_XRAY",
            "parent" if "xray-lambda" in propagators else "link",
            _one_of("link", "parent"),
        ),
        context_key=choose("context_key", "LAMBDA_OTEL_CONTEXT_KEY", None, str),
        problems=tuple(reader.problems),
    )


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _known_names(value: str) -> tuple[str, ...]:
    """Names of which those of the specification count in any case; others are names of entry points."""
    return tuple(name.lower() if name.lower() in _KNOWN_NAMES else name for name in _names(value))


def _boolean(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError(f"must be true or false, not {value!r}")
    return value.lower() == "true"


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return value.lower()

    return parse


def _positive(value: str) -> int:
    if not value.isdecimal() or int(value) == 0:
        raise ValueError(f"must be a whole number above 0, not {value!r}")
    return int(value)


def _count(value: str) -> int:
    if not value.isdecimal():
        raise ValueError(f"must be a whole number, not {value!r}")
    return int(value)


def _milliseconds(value: str) -> float:
    if not value.isdecimal():
        raise ValueError(f"must be a whole number of milliseconds, not {value!r}")
    return int(value) / 1000


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"must be a number of seconds above 0, not {value!r}")
    return seconds


def _default_exporters(reader: _Reader) -> tuple[str, ...]:
    """`otlp` in Lambda and wherever an endpoint is named; elsewhere nothing is sent anywhere."""
    named = "endpoint" in reader.overrides or reader.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return ("otlp",) if named or reader.text("AWS_LAMBDA_FUNCTION_NAME") else ("none",)


def _endpoint(reader: _Reader) -> str:
    """The URL for traces: of its own variable as it is, of the common one with the path for traces.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
    """
    variable, endpoint = "configure(endpoint=...)", reader.overrides.get("endpoint")
    if endpoint is None:
        variable, endpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", reader.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if endpoint is None and (base := reader.text("OTEL_EXPORTER_OTLP_ENDPOINT")):
        variable, endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT", base.rstrip("/") + "/v1/traces"
    if endpoint is None:
        return DEFAULT_ENDPOINT
    if fault := _url_fault(endpoint):
        reader.problems.append(f"{variable}: {fault}, nothing is sent")
        return ""
    return endpoint


def _url_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL with a valid host and port"
    if parts.scheme not in ("http", "https"):
        return "must start with http:// or https://"
    if not parts.hostname or port == 0 or any(character <= " " or character == "\x7f" for character in url):
        return "is not a URL with a valid host and port"
    return None


def _headers(reader: _Reader) -> Mapping[str, str]:
    """Headers as `key=value` pairs, percent-encoded. A fault is said without the value, which may be a secret."""
    if "headers" in reader.overrides:
        pairs: Iterable[tuple[str, str]] = dict(reader.overrides["headers"]).items()
        return _valid_headers(reader, "configure(headers=...)", pairs)
    for variable in ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"):
        if value := reader.text(variable):
            found = [item.partition("=") for item in _names(value)]
            if any(not equals for _, equals, _ in found):
                reader.problems.append(f"{variable}: an item is not of the form key=value, left out")
            return _valid_headers(
                reader, variable, [(unquote(key).strip(), unquote(text).strip()) for key, equals, text in found if equals]
            )
    return {}


def _valid_headers(reader: _Reader, variable: str, pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    valid: dict[str, str] = {}
    for key, value in pairs:
        if not key or not all("!" <= character <= "~" and character != ":" for character in key):
            reader.problems.append(f"{variable}: the name of a header is not valid, left out")
        elif not all(" " <= character <= "\xff" and character != "\x7f" for character in value):
            reader.problems.append(f"{variable}: the value of {key!r} has characters that a header cannot hold, left out")
        else:
            valid[key.lower()] = value
    return valid


def _resource(reader: _Reader) -> Mapping[str, Any]:
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


def _lambda_resource(reader: _Reader) -> dict[str, Any]:
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


def _resource_attributes(reader: _Reader) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in _names(reader.text("OTEL_RESOURCE_ATTRIBUTES") or ""):
        key, equals, value = item.partition("=")
        if equals and key.strip():
            found[unquote(key.strip())] = unquote(value.strip())
        else:
            reader.problems.append("OTEL_RESOURCE_ATTRIBUTES: an item is not of the form key=value, left out")
    return found
