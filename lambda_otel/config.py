"""Settings: OpenTelemetry's own environment variables, and a few of `LAMBDA_OTEL_*` where it has none.

An argument of `configure` beats the environment, which beats the default; only `OTEL_SDK_DISABLED` beats all. A value that cannot be
used is replaced by the default and said in one line.

Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from .resource import resource
from .variables import Reader, boolean, count, known_names, milliseconds, names, one_of, positive, seconds

DEFAULT_ENDPOINT = "http://localhost:4318/v1/traces"
DEFAULT_PROPAGATORS: tuple[Any, ...] = ("tracecontext", "baggage", "xray")

# Of the official exporter: an entry point that makes the session to send with, such as one that signs requests.
_CREDENTIAL_PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
)


class ConfigError(ValueError):
    """A setting without which nothing can be traced; its text names the variable and the value's fault."""


class Settings:
    """Everything that can be configured, read once; `docs/configuration.md` says what each variable means. Times are in seconds.

    Args:
        reader: Of the environment and the arguments of `configure`.

    Attributes:
        function: None outside Lambda.
        runtime_api: None outside Lambda's runtime.
        exporters: Names, or objects given in code; so are `propagators` and `sampler`.
        endpoint: URL that the traces are posted to; empty when there is no usable one.
        credential_provider: The name of the variable that is set.
        timeout_margin: 0 for never, None for a tenth of the function's time-out.
        known_methods: None for those of the standard.
        problems: One line for each value that could not be used.
    """

    def __init__(self, reader: Reader) -> None:
        choose, text = reader.choose, reader.text
        self.disabled = choose("disabled", "OTEL_SDK_DISABLED", False, boolean)
        self.function = text("AWS_LAMBDA_FUNCTION_NAME")
        self.runtime_api = text("AWS_LAMBDA_RUNTIME_API")
        self.initialization = text("AWS_LAMBDA_INITIALIZATION_TYPE") or "on-demand"
        self.exporters: tuple[Any, ...] = choose("exporters", "OTEL_TRACES_EXPORTER", _default_exporters(reader), known_names)
        self.protocol = choose("protocol", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", str.lower, "OTEL_EXPORTER_OTLP_PROTOCOL")
        self.endpoint = _endpoint(reader)
        self.headers = _headers(reader)
        self.compression = choose(
            "compression",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
            "none",
            one_of("none", "gzip", "deflate"),
            "OTEL_EXPORTER_OTLP_COMPRESSION",
        )
        self.otlp_timeout = choose("otlp_timeout", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", 10.0, seconds, "OTEL_EXPORTER_OTLP_TIMEOUT")
        self.certificate = text("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE")
        self.client_certificate = text("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
        self.client_key = text("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY")
        self.credential_provider = next(filter(text, _CREDENTIAL_PROVIDERS), None)
        self.propagators = choose("propagators", "OTEL_PROPAGATORS", DEFAULT_PROPAGATORS, known_names)
        self.sampler: Any = choose("sampler", "OTEL_TRACES_SAMPLER", "parentbased_always_on", str)
        self.sampler_arg = text("OTEL_TRACES_SAMPLER_ARG")
        self.resource = resource(reader)
        self.resource_detectors = (text("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS") or "otel") != "otel"
        self.queue_size = choose("queue_size", "OTEL_BSP_MAX_QUEUE_SIZE", 4096, positive)
        self.batch_size = choose("batch_size", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, positive)
        self.flush_timeout = choose("flush_timeout", "LAMBDA_OTEL_FLUSH_TIMEOUT", 0.5, milliseconds)
        self.flush_margin = choose("flush_margin", "LAMBDA_OTEL_FLUSH_MARGIN", 0.1, milliseconds)
        self.flush_mode = choose("flush_mode", "LAMBDA_OTEL_FLUSH_MODE", "sync", one_of("sync", "async"))
        self.timeout_margin = choose("timeout_margin", "LAMBDA_OTEL_TIMEOUT_MARGIN", None, milliseconds)
        self.max_links = choose("max_links", "OTEL_SPAN_LINK_COUNT_LIMIT", 128, count)
        self.known_methods = choose("known_methods", "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", None, lambda value: frozenset(names(value)))
        self.capture: frozenset[str] = choose("capture", "LAMBDA_OTEL_CAPTURE", frozenset(), lambda value: frozenset(names(value.lower())))
        self.message_parent = choose("message_parent", "LAMBDA_OTEL_MESSAGE_PARENT", "auto", one_of("auto", "never", "always"))
        self.unsampled_xray = choose(
            "unsampled_xray",
            "LAMBDA_OTEL_UNSAMPLED_XRAY",
            "parent" if "xray-lambda" in self.propagators else "link",
            one_of("link", "parent"),
        )
        self.context_key = choose("context_key", "LAMBDA_OTEL_CONTEXT_KEY", None, str)
        self.problems = tuple(reader.problems)


def read(environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
    """The settings of an environment.

    Args:
        environ: Such as `os.environ`.
        overrides: Arguments of `configure`, under the names of the settings.
    """
    return Settings(Reader(environ, overrides))


def _default_exporters(reader: Reader) -> tuple[str, ...]:
    """`otlp` in Lambda and wherever an endpoint is named; elsewhere nothing is sent anywhere."""
    named = "endpoint" in reader.overrides or reader.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return ("otlp",) if named or reader.text("AWS_LAMBDA_FUNCTION_NAME") else ("none",)


def _endpoint(reader: Reader) -> str:
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


def _headers(reader: Reader) -> Mapping[str, str]:
    """Headers as `key=value` pairs, percent-encoded. A fault is said without the value, which may be a secret."""
    if "headers" in reader.overrides:
        pairs: Iterable[tuple[str, str]] = dict(reader.overrides["headers"]).items()
        return _valid_headers(reader, "configure(headers=...)", pairs)
    for variable in ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"):
        if value := reader.text(variable):
            found = [item.partition("=") for item in names(value)]
            if any(not equals for _, equals, _ in found):
                reader.problems.append(f"{variable}: an item is not of the form key=value, left out")
            return _valid_headers(
                reader, variable, [(unquote(key).strip(), unquote(text).strip()) for key, equals, text in found if equals]
            )
    return {}


def _valid_headers(reader: Reader, variable: str, pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    valid: dict[str, str] = {}
    for key, value in pairs:
        if not key or not all("!" <= character <= "~" and character != ":" for character in key):
            reader.problems.append(f"{variable}: the name of a header is not valid, left out")
        elif not all(" " <= character <= "\xff" and character != "\x7f" for character in value):
            reader.problems.append(f"{variable}: the value of {key!r} has characters that a header cannot hold, left out")
        else:
            valid[key.lower()] = value
    return valid
