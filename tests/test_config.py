"""Each variable: its default, its values, its faults; and what beats what."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace

from lambda_otel import configure, inject_http, traced_handler
from lambda_otel.config import read
from lambda_otel.state import state

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "my-function",
    "AWS_LAMBDA_FUNCTION_VERSION": "26",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/my-function",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2021/06/28/[$LATEST]2f399eb14537447da05ab2a2e39309de",
    "AWS_REGION": "us-east-1",
}

DEFAULTS: dict[str, Any] = {
    "disabled": False,
    "function": None,
    "initialization": "on-demand",
    "exporters": ("none",),
    "protocol": "http/protobuf",
    "endpoint": "http://localhost:4318/v1/traces",
    "headers": {},
    "compression": "none",
    "otlp_timeout": 10.0,
    "certificate": None,
    "client_certificate": None,
    "client_key": None,
    "propagators": ("tracecontext", "baggage", "xray"),
    "sampler": "parentbased_always_on",
    "sampler_arg": None,
    "resource": {"service.name": "unknown_service"},
    "resource_detectors": False,
    "queue_size": 4096,
    "batch_size": 512,
    "flush_timeout": 0.5,
    "credential_provider": None,
    "flush_margin": 0.1,
    "flush_mode": "sync",
    "timeout_margin": None,
    "runtime_api": None,
    "max_links": 128,
    "known_methods": None,
    "capture": frozenset(),
    "message_parent": "auto",
    "unsampled_xray": "link",
    "context_key": None,
    "problems": (),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_default(name: str) -> None:
    assert getattr(read({}, {}), name) == DEFAULTS[name]


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_empty_variable_counts_as_unset(value: str) -> None:
    assert vars(read(dict.fromkeys(VARIABLES, value), {})) == vars(read({}, {}))


# Variable, its value, the setting and what it becomes.
PARSED: list[tuple[str, str, str, Any]] = [
    ("OTEL_SDK_DISABLED", "true", "disabled", True),
    ("OTEL_SDK_DISABLED", "TRUE", "disabled", True),
    ("OTEL_SDK_DISABLED", "false", "disabled", False),
    ("AWS_LAMBDA_FUNCTION_NAME", "my-function", "function", "my-function"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start", "initialization", "snap-start"),
    ("OTEL_TRACES_EXPORTER", "otlp", "exporters", ("otlp",)),
    ("OTEL_TRACES_EXPORTER", "OTLP, console ,mine", "exporters", ("otlp", "console", "mine")),
    ("OTEL_TRACES_EXPORTER", "MyOwn", "exporters", ("MyOwn",)),
    ("OTEL_TRACES_EXPORTER", "none", "exporters", ("none",)),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "protocol", "grpc"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "HTTP/Protobuf", "protocol", "http/protobuf"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret", "headers", {"api-key": "secret"}),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=secret", "headers", {"api-key": "secret"}),
    ("OTEL_EXPORTER_OTLP_HEADERS", " Api-Key = a%2Cb%20c== , x=1,", "headers", {"api-key": "a,b c==", "x": "1"}),
    ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20caf%C3%A9", "headers", {"authorization": "Bearer café"}),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "compression", "gzip"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "Deflate", "compression", "deflate"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "0.25", "otlp_timeout", 0.25),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "3", "otlp_timeout", 3.0),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", "certificate", "/ca.pem"),
    ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/ca.pem", "certificate", "/ca.pem"),
    ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/me.pem", "client_certificate", "/me.pem"),
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "/me.pem", "client_certificate", "/me.pem"),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/me.key", "client_key", "/me.key"),
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/me.key", "client_key", "/me.key"),
    ("OTEL_PROPAGATORS", "b3", "propagators", ("b3",)),
    ("OTEL_PROPAGATORS", "TraceContext, xray-lambda", "propagators", ("tracecontext", "xray-lambda")),
    ("OTEL_PROPAGATORS", "xray-lambda", "unsampled_xray", "parent"),
    ("OTEL_TRACES_SAMPLER", "always_off", "sampler", "always_off"),
    ("OTEL_TRACES_SAMPLER_ARG", "0.25", "sampler_arg", "0.25"),
    ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "process", "resource_detectors", True),
    ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "otel", "resource_detectors", False),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "100", "queue_size", 100),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", " 7 ", "batch_size", 7),
    ("LAMBDA_OTEL_FLUSH_TIMEOUT", "1500", "flush_timeout", 1.5),
    ("LAMBDA_OTEL_FLUSH_TIMEOUT", "0", "flush_timeout", 0.0),
    ("LAMBDA_OTEL_FLUSH_MARGIN", "250", "flush_margin", 0.25),
    *[
        (
            f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{part}CREDENTIAL_PROVIDER",
            "mine",
            "credential_provider",
            f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{part}CREDENTIAL_PROVIDER",
        )
        for part in ("", "TRACES_")
    ],
    ("LAMBDA_OTEL_FLUSH_MODE", "async", "flush_mode", "async"),
    ("LAMBDA_OTEL_TIMEOUT_MARGIN", "0", "timeout_margin", 0.0),
    ("LAMBDA_OTEL_TIMEOUT_MARGIN", "400", "timeout_margin", 0.4),
    ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001", "runtime_api", "127.0.0.1:9001"),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "0", "max_links", 0),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "1000", "max_links", 1000),
    ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET,PURGE", "known_methods", frozenset({"GET", "PURGE"})),
    ("LAMBDA_OTEL_CAPTURE", "faas.document.name, HTTP.Request.Header.X-Id", "capture", {"faas.document.name", "http.request.header.x-id"}),
    ("LAMBDA_OTEL_MESSAGE_PARENT", "Never", "message_parent", "never"),
    ("LAMBDA_OTEL_MESSAGE_PARENT", "always", "message_parent", "always"),
    ("LAMBDA_OTEL_UNSAMPLED_XRAY", "parent", "unsampled_xray", "parent"),
    ("LAMBDA_OTEL_CONTEXT_KEY", "_Context", "context_key", "_Context"),
    ("OTEL_SERVICE_NAME", "shop", "resource", {"service.name": "shop"}),
    ("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b,service.name=shop", "resource", {"team": "a b", "service.name": "shop"}),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example.com", "endpoint", "https://collector.example.com/v1/traces"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector.example.com", "endpoint", "https://collector.example.com"),
]
VARIABLES = sorted({variable for variable, *_ in PARSED})


@pytest.mark.parametrize(("variable", "value", "name", "expected"), PARSED)
def test_variable_becomes_setting(variable: str, value: str, name: str, expected: Any) -> None:
    found = read({variable: value}, {})
    assert getattr(found, name) == expected
    assert found.problems == ()


def test_every_setting_has_a_default_and_a_variable() -> None:
    names = vars(read({}, {})).keys()
    assert names == DEFAULTS.keys()
    assert names - {"problems"} == {name for _, _, name, _ in PARSED}


@pytest.mark.parametrize(
    ("specific", "common", "name", "wins", "loses"),
    [
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL", "protocol", "http/json", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", "headers", "a=1", "b=2"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION", "compression", "none", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", "otlp_timeout", "1", "2"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE", "certificate", "/a", "/b"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "client_certificate", "/a", "/b"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY", "client_key", "/a", "/b"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "endpoint", "http://a/x", "http://b"),
    ],
)
def test_variable_for_traces_beats_the_common_one(specific: str, common: str, name: str, wins: str, loses: str) -> None:
    alone = getattr(read({specific: wins}, {}), name)
    assert getattr(read({specific: wins, common: loses}, {}), name) == alone
    assert getattr(read({common: loses}, {}), name) != alone


@pytest.mark.parametrize("name", ["tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "xray-lambda", "otlp", "console", "none"])
def test_name_of_the_specification_counts_in_any_case(name: str) -> None:
    found = read({"OTEL_PROPAGATORS": name.upper(), "OTEL_TRACES_EXPORTER": name.title()}, {})
    assert (found.propagators, found.exporters) == ((name,), (name,))


# Variable, a value that cannot be used, and what is said of it.
FAULTS = [
    ("OTEL_SDK_DISABLED", "1", "OTEL_SDK_DISABLED: must be true or false, not '1', using False"),
    (
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "brotli",
        "OTEL_EXPORTER_OTLP_COMPRESSION: must be one of none, gzip, deflate, not 'brotli', using 'none'",
    ),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "OTEL_EXPORTER_OTLP_TIMEOUT: must be a number of seconds above 0, not 'soon', using 10.0"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "OTEL_EXPORTER_OTLP_TIMEOUT: must be a number of seconds above 0, not '0', using 10.0"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "inf",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: must be a number of seconds above 0, not 'inf', using 10.0",
    ),
    (
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "nan",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: must be a number of seconds above 0, not 'nan', using 10.0",
    ),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "OTEL_BSP_MAX_QUEUE_SIZE: must be a whole number above 0, not '0', using 4096"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE: must be a whole number above 0, not '-1', using 512"),
    ("LAMBDA_OTEL_FLUSH_TIMEOUT", "0.5", "LAMBDA_OTEL_FLUSH_TIMEOUT: must be a whole number of milliseconds, not '0.5', using 0.5"),
    ("LAMBDA_OTEL_FLUSH_MARGIN", "1s", "LAMBDA_OTEL_FLUSH_MARGIN: must be a whole number of milliseconds, not '1s', using 0.1"),
    ("LAMBDA_OTEL_FLUSH_MODE", "later", "LAMBDA_OTEL_FLUSH_MODE: must be one of sync, async, not 'later', using 'sync'"),
    ("LAMBDA_OTEL_TIMEOUT_MARGIN", "-1", "LAMBDA_OTEL_TIMEOUT_MARGIN: must be a whole number of milliseconds, not '-1', using None"),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "many", "OTEL_SPAN_LINK_COUNT_LIMIT: must be a whole number, not 'many', using 128"),
    (
        "LAMBDA_OTEL_MESSAGE_PARENT",
        "sometimes",
        "LAMBDA_OTEL_MESSAGE_PARENT: must be one of auto, never, always, not 'sometimes', using 'auto'",
    ),
    ("LAMBDA_OTEL_UNSAMPLED_XRAY", "drop", "LAMBDA_OTEL_UNSAMPLED_XRAY: must be one of link, parent, not 'drop', using 'link'"),
    ("OTEL_RESOURCE_ATTRIBUTES", "team", "OTEL_RESOURCE_ATTRIBUTES: an item is not of the form key=value, left out"),
    ("OTEL_RESOURCE_ATTRIBUTES", "=a", "OTEL_RESOURCE_ATTRIBUTES: an item is not of the form key=value, left out"),
]


@pytest.mark.parametrize(("variable", "value", "line"), FAULTS)
def test_unusable_value_is_said_in_one_line_and_the_default_used(variable: str, value: str, line: str) -> None:
    assert vars(read({variable: value}, {})) == {**DEFAULTS, "problems": (line,)}


@pytest.mark.parametrize("variable", VARIABLES)
@settings(max_examples=10, deadline=None)
@given(value=st.text(max_size=30) | st.sampled_from(["9" * 400, "9" * 5000, "%", "a=%ff", "http://[", "http://a:b"]))
def test_no_value_of_a_variable_raises(variable: str, value: str) -> None:
    found = read({variable: value}, {})
    assert all(variable in problem for problem in found.problems)


def test_other_items_of_a_faulty_list_count() -> None:
    assert read({"OTEL_RESOURCE_ATTRIBUTES": "a=1,b,c=2"}, {}).resource == {"a": "1", "c": "2", "service.name": "unknown_service"}
    assert read({"OTEL_EXPORTER_OTLP_HEADERS": "a=1,b,c=2"}, {}).headers == {"a": "1", "c": "2"}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("topsecret", "an item is not of the form key=value, left out"),
        ("a b=topsecret", "the name of a header is not valid, left out"),
        ("=topsecret", "the name of a header is not valid, left out"),
        ("a%3A=topsecret", "the name of a header is not valid, left out"),
        ("key=topsecret%0D%0AX: y", "the value of 'key' has characters that a header cannot hold, left out"),
        ("key=topsecret%E2%82%AC", "the value of 'key' has characters that a header cannot hold, left out"),
    ],
)
@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"])
def test_fault_of_a_header_is_said_without_its_value(variable: str, value: str, fault: str) -> None:
    found = read({variable: value}, {})
    assert found.problems == (f"{variable}: {fault}",)
    assert found.headers == {}


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://example.com/otlp", "https://example.com/otlp/v1/traces"),
        ("https://example.com/otlp/", "https://example.com/otlp/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_common_endpoint_gets_the_path_of_traces(base: str, url: str) -> None:
    assert read({"OTEL_EXPORTER_OTLP_ENDPOINT": base}, {}).endpoint == url


@pytest.mark.parametrize("url", ["http://collector:4318", "http://collector:4318/", "https://example.com/mine?x=1"])
def test_endpoint_of_traces_is_taken_as_it_is(url: str) -> None:
    assert read({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": url}, {}).endpoint == url
    assert read({}, {"endpoint": url}).endpoint == url


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("collector:4318", "must start with http:// or https://"),
        ("ftp://collector", "must start with http:// or https://"),
        ("//collector", "must start with http:// or https://"),
        ("http://", "is not a URL with a valid host and port"),
        ("http://:4318", "is not a URL with a valid host and port"),
        ("http://collector:0", "is not a URL with a valid host and port"),
        ("http://collector:65536", "is not a URL with a valid host and port"),
        ("http://collector:port", "is not a URL with a valid host and port"),
        ("http://collector/a b", "is not a URL with a valid host and port"),
        ("http://collector/a\nb", "is not a URL with a valid host and port"),
        ("http://[::1", "is not a URL with a valid host and port"),
        ("http://user:topsecret@collector:port", "is not a URL with a valid host and port"),
    ],
)
@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_unusable_endpoint_is_said_and_nothing_sent(variable: str, url: str, fault: str) -> None:
    found = read({variable: url}, {})
    assert found.endpoint == ""
    assert found.problems == (f"{variable}: {fault}, nothing is sent",)


def test_unusable_endpoint_of_an_argument_is_said_as_such() -> None:
    found = read({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, {"endpoint": "collector:4318"})
    assert found.endpoint == ""
    assert found.problems == ("configure(endpoint=...): must start with http:// or https://, nothing is sent",)


def test_traces_are_sent_in_lambda_and_where_an_endpoint_is_named() -> None:
    assert read({}, {}).exporters == ("none",)
    assert read({"AWS_LAMBDA_FUNCTION_NAME": "f"}, {}).exporters == ("otlp",)
    assert read({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, {}).exporters == ("otlp",)
    assert read({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}, {}).exporters == ("otlp",)
    assert read({}, {"endpoint": "http://a"}).exporters == ("otlp",)
    assert read({"AWS_LAMBDA_FUNCTION_NAME": "f", "OTEL_TRACES_EXPORTER": "none"}, {}).exporters == ("none",)


def test_resource_of_a_function_is_exact() -> None:
    assert read(LAMBDA, {}).resource == {
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": "us-east-1",
        "faas.name": "my-function",
        "faas.version": "26",
        "faas.instance": "2021/06/28/[$LATEST]2f399eb14537447da05ab2a2e39309de",
        "faas.max_memory": 134_217_728,
        "aws.log.group.names": ("/aws/lambda/my-function",),
        "aws.log.stream.names": ("2021/06/28/[$LATEST]2f399eb14537447da05ab2a2e39309de",),
        "service.name": "my-function",
    }


def test_resource_without_log_names_lacks_only_what_is_made_of_them() -> None:
    """As under SnapStart."""
    environ = {name: value for name, value in LAMBDA.items() if "_LOG_" not in name}
    assert read(environ, {}).resource == {
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": "us-east-1",
        "faas.name": "my-function",
        "faas.version": "26",
        "faas.max_memory": 134_217_728,
        "service.name": "my-function",
    }


@pytest.mark.parametrize(
    ("missing", "keys"),
    [
        ("AWS_LAMBDA_FUNCTION_VERSION", {"faas.version"}),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", {"faas.max_memory"}),
        ("AWS_LAMBDA_LOG_GROUP_NAME", {"aws.log.group.names"}),
        ("AWS_LAMBDA_LOG_STREAM_NAME", {"aws.log.stream.names", "faas.instance"}),
        ("AWS_REGION", {"cloud.region"}),
    ],
)
def test_each_part_of_the_resource_is_optional_on_its_own(missing: str, keys: set[str]) -> None:
    environ = {name: value for name, value in LAMBDA.items() if name != missing}
    assert read(LAMBDA, {}).resource.keys() - read(environ, {}).resource.keys() == keys


def test_memory_that_is_no_number_is_left_out() -> None:
    assert "faas.max_memory" not in read({**LAMBDA, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "lots"}, {}).resource


def test_nothing_is_said_about_a_function_outside_lambda() -> None:
    assert read({"AWS_REGION": "us-east-1"}, {}).resource == {"service.name": "unknown_service"}


def test_service_name_is_the_first_of_argument_variable_attribute_function() -> None:
    environ = {
        "OTEL_SERVICE_NAME": "variable",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
    }
    overrides = {"service_name": "argument", "resource_attributes": {"service.name": "argument's attribute"}}
    names = []
    for given_ in ("service_name", "resource_attributes"):
        names.append(read(environ, overrides).resource["service.name"])
        del overrides[given_]
    for variable in list(environ):
        names.append(read(environ, overrides).resource["service.name"])
        del environ[variable]
    names.append(read(environ, overrides).resource["service.name"])
    assert names == ["argument", "argument's attribute", "variable", "attribute", "function", "unknown_service"]


def test_resource_attributes_of_the_user_win_over_detected_ones_and_code_over_both() -> None:
    environ = {**LAMBDA, "OTEL_RESOURCE_ATTRIBUTES": "cloud.region=mars,faas.name=mine"}
    resource = read(environ, {"resource_attributes": {"cloud.region": "venus"}}).resource
    assert (resource["cloud.region"], resource["faas.name"], resource["faas.version"]) == ("venus", "mine", "26")


def test_resource_attributes_are_percent_decoded() -> None:
    resource = read({"OTEL_RESOURCE_ATTRIBUTES": "a%2Cb=c%3Dd%2Ce,deployment.environment.name = prod "}, {}).resource
    assert resource == {"a,b": "c=d,e", "deployment.environment.name": "prod", "service.name": "unknown_service"}


# The variable of each argument of `configure`, a value for it, a value of the argument, and what that becomes.
ARGUMENTS: dict[str, tuple[str, str, Any, Any]] = {
    "service_name": ("OTEL_SERVICE_NAME", "variable", "argument", "argument"),
    "resource_attributes": ("OTEL_RESOURCE_ATTRIBUTES", "a=variable", {"a": "argument"}, "argument"),
    "exporters": ("OTEL_TRACES_EXPORTER", "otlp", ("console",), ("console",)),
    "endpoint": ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://variable", "http://argument", "http://argument"),
    "headers": ("OTEL_EXPORTER_OTLP_HEADERS", "a=variable", {"A": "argument"}, {"a": "argument"}),
    "compression": ("OTEL_EXPORTER_OTLP_COMPRESSION", "deflate", "gzip", "gzip"),
    "sampler": ("OTEL_TRACES_SAMPLER", "always_on", "always_off", "always_off"),
    "propagators": ("OTEL_PROPAGATORS", "b3", ("tracecontext",), ("tracecontext",)),
    "flush_timeout": ("LAMBDA_OTEL_FLUSH_TIMEOUT", "100", 0.2, 0.2),
    "flush_margin": ("LAMBDA_OTEL_FLUSH_MARGIN", "300", 0.2, 0.2),
    "capture": ("LAMBDA_OTEL_CAPTURE", "faas.document.name", ("Messaging.Kafka.Message.Key",), {"messaging.kafka.message.key"}),
    "message_parent": ("LAMBDA_OTEL_MESSAGE_PARENT", "never", "always", "always"),
    "unsampled_xray": ("LAMBDA_OTEL_UNSAMPLED_XRAY", "parent", "link", "link"),
    "context_key": ("LAMBDA_OTEL_CONTEXT_KEY", "variable", "argument", "argument"),
}
RESOURCE_KEYS = {"service_name": "service.name", "resource_attributes": "a"}


def configured(name: str) -> Any:
    return state.settings.resource[RESOURCE_KEYS[name]] if name in RESOURCE_KEYS else getattr(state.settings, name)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_argument_beats_environment_beats_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable, value, argument, expected = ARGUMENTS[name]
    default = read({}, {})
    monkeypatch.setenv(variable, value)
    from_environment = state.settings
    assert from_environment != default
    configure(**{name: argument})
    assert state.settings != from_environment
    assert configured(name) == expected
    assert state.settings.problems == ()


def test_every_argument_of_configure_is_tried() -> None:
    assert ARGUMENTS.keys() == inspect.signature(configure).parameters.keys()


@pytest.mark.parametrize("name", ["compression", "message_parent", "unsampled_xray"])
def test_argument_that_cannot_be_used_is_said_and_the_default_used(name: str, logged: Callable[[], list[str]]) -> None:
    configure(**{name: "nonsense"})
    assert getattr(state.settings, name) == DEFAULTS[name]
    (line,) = logged()
    assert line.startswith(f"configure({name}=...): must be one of ")


def test_header_of_an_argument_is_checked_like_one_of_the_environment(logged: Callable[[], list[str]]) -> None:
    configure(headers={"a": "ok", "b": "top\nsecret", "c d": "topsecret"})
    assert state.settings.headers == {"a": "ok"}
    assert logged() == [
        "configure(headers=...): the value of 'b' has characters that a header cannot hold, left out",
        "configure(headers=...): the name of a header is not valid, left out",
    ]


def test_argument_of_another_type_never_reaches_the_handler(lambda_context: Any, logged: Callable[[], list[str]]) -> None:
    configure(endpoint=7)  # type: ignore[arg-type]
    result = object()
    assert traced_handler(lambda event, context: inject_http() or result)({}, lambda_context) is result
    assert logged()


def test_disabled_sdk_beats_every_argument(monkeypatch: pytest.MonkeyPatch, lambda_context: Any) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    configure(exporters=("console",), sampler="always_on", endpoint="http://localhost:1/v1/traces")
    inside = []
    handler = traced_handler(lambda event, context: inside.append(trace.get_current_span().is_recording()))
    handler({}, lambda_context)
    assert inside == [False]
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_faults_of_the_environment_are_logged_once(
    monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[str]], lambda_context: Any
) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_FLUSH_TIMEOUT", "soon")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "topsecret")
    handler = traced_handler(lambda event, context: None)
    for _ in range(3):
        handler({}, lambda_context)
    assert logged() == [
        "OTEL_EXPORTER_OTLP_HEADERS: an item is not of the form key=value, left out",
        "LAMBDA_OTEL_FLUSH_TIMEOUT: must be a whole number of milliseconds, not 'soon', using 0.5",
    ]
