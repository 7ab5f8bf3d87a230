"""What the settings make of the SDK: exporters, resource, sampler and limits; and what is said when they make nothing."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk import environment_variables
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from runtime.network import refused_endpoint
from runtime.sink import Sink
from runtime.tls import Certificates

from lambda_otel import __version__, configure, flush, span, traced_handler
from lambda_otel.config import Settings, read
from lambda_otel.console import ConsoleExporter
from lambda_otel.delivery import DELIVERED, Report
from lambda_otel.export import Buffer
from lambda_otel.ids import OwnIdGenerator
from lambda_otel.provider import telemetry
from lambda_otel.sdk import WayOut, build, skips_unsampled
from lambda_otel.state import state

Logged = Callable[[], list[str]]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink
        telemetry().way_out.start_anew()  # the end of the process would send what is left


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets environment variables."""

    def set_variables(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


Environ = Callable[..., None]


def record(*names: str) -> None:
    for name in names:
        with span(name):
            pass


def built(**overrides: Any) -> tuple[TracerProvider, WayOut, Settings]:
    """What the environment makes, without installing it."""
    settings = read(os.environ, {"exporters": (), **overrides})
    return (*build(settings), settings)


@pytest.fixture
def entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Installs a package with one entry point: its group, its name, and the source of the function `make`."""

    def install(group: str, name: str, source: str) -> None:
        info = tmp_path / "addon-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: addon\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = addon_of_a_test:make\n")
        (tmp_path / "addon_of_a_test.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "addon_of_a_test", raising=False)

    return install


EntryPoint = Callable[[str, str, str], None]


# Exporters


def test_otlp_sends_to_the_endpoint_as_who_we_are(sink: Sink, environ: Environ) -> None:
    environ(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_TRACES_EXPORTER="otlp")
    record("span")
    assert flush(20)
    (request,) = sink.requests
    assert request.path == "/v1/traces"
    assert re.fullmatch(rf"lambda_otel/{re.escape(__version__)} OTel-OTLP-Exporter-Python/\d+\.\d+\S*", request.headers["user-agent"])


def test_batches_are_of_the_size_that_is_set(sink: Sink, environ: Environ) -> None:
    environ(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="2", OTEL_BSP_MAX_QUEUE_SIZE="5")
    record(*"abcdefg")
    assert not flush(20), "two were too many"
    assert [found.name for found in sink.spans] == list("cdefg")
    assert len(sink.requests) == 3


def test_console_prints(environ: Environ, capsys: pytest.CaptureFixture[str]) -> None:
    environ(OTEL_TRACES_EXPORTER="console")
    record("span")
    assert flush(20)
    assert "span  INTERNAL" in capsys.readouterr().out


def test_none_records_nothing(sink: Sink, environ: Environ) -> None:
    environ(OTEL_TRACES_EXPORTER="none", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    with span("span"):
        assert not trace.get_current_span().is_recording()
    assert flush()
    assert sink.connections == 0


def test_several_exporters_all_get_the_spans(sink: Sink, environ: Environ, capsys: pytest.CaptureFixture[str]) -> None:
    environ(OTEL_TRACES_EXPORTER="console, otlp", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    record("span")
    assert flush(20)
    assert "span  INTERNAL" in capsys.readouterr().out
    assert [found.name for found in sink.spans] == ["span"]


def test_an_exporter_that_hangs_leaves_time_for_the_others(sink: Sink, environ: Environ) -> None:
    environ(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    sink.mode = "hang"
    exporter = InMemorySpanExporter()
    configure(exporters=("otlp", exporter))
    record("span")
    begin = time.monotonic()
    assert not flush(1.0)
    assert time.monotonic() - begin < 6
    assert [found.name for found in exporter.get_finished_spans()] == ["span"]


def test_several_exporters_share_the_budget() -> None:
    class Exporter(ConsoleExporter):
        def export(self, spans: Any, deadline: float) -> Report:
            shares.append(deadline - time.monotonic())
            return DELIVERED

    shares: list[float] = []
    buffers = [Buffer(Exporter(), 10, 10, 1.0, 1.0) for _ in range(4)]
    provider = TracerProvider(shutdown_on_exit=False)
    for buffer in buffers:
        provider.add_span_processor(buffer)
    provider.get_tracer("test").start_span("span").end()
    assert WayOut(buffers, OwnIdGenerator()).flush(400.0)
    assert [share <= 100 for share in shares] == [True] * 4


def test_exporters_given_in_code_are_shut_down_at_the_end() -> None:
    exporter = InMemorySpanExporter()
    provider, _, _ = built(exporters=(exporter,))
    provider.get_tracer("test").start_span("span").end()
    provider.shutdown()
    assert [found.name for found in exporter.get_finished_spans()] == ["span"]
    assert exporter._stopped


def test_an_exporter_of_a_package_is_used(environ: Environ, entry_point: EntryPoint) -> None:
    entry_point(
        "opentelemetry_traces_exporter",
        "my_exporter",
        """
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        EXPORTER = InMemorySpanExporter()
        make = lambda: EXPORTER
        """,
    )
    environ(OTEL_TRACES_EXPORTER="my_exporter")
    record("span")
    assert flush(20)
    exporter = importlib.import_module("addon_of_a_test").EXPORTER
    assert [found.name for found in exporter.get_finished_spans()] == ["span"]


def test_an_exporter_of_a_package_that_raises_is_one_line(environ: Environ, entry_point: EntryPoint, logged: Logged) -> None:
    entry_point("opentelemetry_traces_exporter", "my_exporter", "def make(): raise RuntimeError('no licence')")
    environ(OTEL_TRACES_EXPORTER="my_exporter")
    record("span")
    assert logged() == ["not tracing: OTEL_TRACES_EXPORTER: no licence"]


def test_everything_is_sent_at_the_end_of_the_process(sink: Sink) -> None:
    script = "from lambda_otel import span\nwith span('last'): pass"
    source = str(Path(build.__code__.co_filename).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "LAMBDA_OTEL_FLUSH_TIMEOUT": "20000"}
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert [found.name for found in sink.spans] == ["last"]


# What the official exporter is for


def test_a_proxy_is_gone_through(sink: Sink, environ: Environ) -> None:
    environ(http_proxy=sink.endpoint, OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.example:4318", OTEL_EXPORTER_OTLP_HEADERS="api-key=k")
    record("span")
    assert flush(20)
    (request,) = sink.requests
    assert request.path == "http://collector.example:4318/v1/traces"
    assert request.headers["api-key"] == "k"
    assert [found.name for found in sink.spans] == ["span"]


def test_a_host_that_needs_no_proxy_is_asked_directly(sink: Sink, environ: Environ) -> None:
    environ(HTTP_PROXY="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    record("span")
    assert flush(20)
    assert sink.requests[0].headers["user-agent"].startswith("lambda_otel/")


def test_credentials_in_the_url_are_sent(sink: Sink, environ: Environ) -> None:
    environ(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint.replace("http://", "http://user:pass@"), OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
    record("span")
    assert flush(20)
    (request,) = sink.requests
    assert request.headers["authorization"] == "Basic dXNlcjpwYXNz"
    assert request.headers["content-encoding"] == "gzip"
    assert [found.name for found in sink.spans] == ["span"]


def test_a_url_in_any_alphabet_is_encoded(sink: Sink, environ: Environ) -> None:
    environ(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{sink.endpoint}/größe")
    record("span")
    assert flush(20)
    assert sink.requests[0].path == "/gr%C3%B6%C3%9Fe"


CREDENTIALS = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER"
TRACES_CREDENTIALS = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER"
needs_credential_providers = pytest.mark.skipif(
    not hasattr(environment_variables, f"_{CREDENTIALS}"), reason="this version of the official exporter has no credential providers"
)


@needs_credential_providers
@pytest.mark.parametrize("variable", [CREDENTIALS, TRACES_CREDENTIALS])
def test_a_credential_provider_makes_the_session(variable: str, sink: Sink, environ: Environ, entry_point: EntryPoint) -> None:
    entry_point(
        "opentelemetry_otlp_credential_provider",
        f"signing_{variable.lower()}",
        """
        import requests

        class Signing(requests.Session):
            def request(self, *args, headers=None, **kwargs):
                return super().request(*args, headers={**(headers or {}), "Authorization": "signed"}, **kwargs)

        make = Signing
        """,
    )
    # The official exporter keeps the entry points that it has seen once.
    from opentelemetry.util import _importlib_metadata

    clear = getattr(getattr(_importlib_metadata, "_original_entry_points_cached", None), "cache_clear", None)
    if clear:
        clear()
    environ(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **{variable: f"signing_{variable.lower()}"})
    record("span")
    assert flush(20)
    (request,) = sink.requests
    assert request.headers["authorization"] == "signed"


@needs_credential_providers
@pytest.mark.parametrize("variable", [CREDENTIALS, TRACES_CREDENTIALS])
def test_a_credential_provider_that_is_not_installed_is_one_line(variable: str, environ: Environ, logged: Logged) -> None:
    environ(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318", **{variable: "unheard-of"})
    record("span")
    (line,) = logged()
    assert line.startswith(f"not tracing: {variable}: ")
    assert "unheard-of" in line


# What cannot be used


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, r"OTEL_EXPORTER_OTLP_ENDPOINT: must start with http:// or https://.*"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://:4318"}, r"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: is not a URL .*"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, r"not tracing: OTEL_TRACES_EXPORTER: no exporter 'zipkin' is installed"),
        ({"OTEL_TRACES_EXPORTER": "console,zipkin"}, r"not tracing: OTEL_TRACES_EXPORTER: no exporter 'zipkin' is installed"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "telegraph"},
            r"not tracing: OTEL_EXPORTER_OTLP_PROTOCOL: no exporter 'telegraph' is installed",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://localhost", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/missing.pem"},
            r"not tracing: OTEL_EXPORTER_OTLP_CERTIFICATE: /missing.pem: No such file or directory",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://localhost", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/missing.pem"},
            r"not tracing: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: /missing.pem: No such file or directory",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://localhost", "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/"},
            r"not tracing: OTEL_EXPORTER_OTLP_CLIENT_KEY: /: Is a directory",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://localhost", "OTEL_EXPORTER_OTLP_CERTIFICATE": __file__},
            r"not tracing: OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE or _CLIENT_KEY: .+",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line_with_its_name(
    variables: dict[str, str], said: str, environ: Environ, lambda_context: Any, logged: Logged
) -> None:
    environ(**variables)
    handler = traced_handler(lambda event, context: record("inner") or "answer")
    for _ in range(2):
        assert handler({}, lambda_context) == "answer"
    (line,) = logged()
    assert re.fullmatch(said, line)


@pytest.mark.skipif(importlib.util.find_spec("grpc") is not None, reason="gRPC is installed")
def test_grpc_without_its_package_is_one_line(environ: Environ, logged: Logged) -> None:
    environ(OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    record("span")
    assert logged() == ["not tracing: OTEL_EXPORTER_OTLP_PROTOCOL: no exporter 'otlp_proto_grpc' is installed"]


def test_a_certificate_matters_only_for_https(sink: Sink, environ: Environ) -> None:
    environ(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_EXPORTER_OTLP_CERTIFICATE="/missing.pem")
    record("span")
    assert flush(20)
    assert len(sink.spans) == 1


def test_certificates_are_used(environ: Environ, tmp_path: Path) -> None:
    files = Certificates.create(tmp_path)
    with Sink(tls=files) as sink:
        environ(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_EXPORTER_OTLP_CERTIFICATE=str(files.authority))
        record("span")
        assert flush(20)
        assert [found.name for found in sink.spans] == ["span"]


@pytest.mark.parametrize("mode", ["404", "429", "reset", "partial", "hang", "refused", "proxy", "tls", "bad-header", "late", "url"])
def test_the_value_of_a_header_is_never_logged(
    mode: Any, sink: Sink, environ: Environ, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = sink.endpoint
    with refused_endpoint() as nowhere:
        if mode == "refused":
            endpoint = nowhere
        elif mode == "proxy":
            environ(http_proxy=nowhere)
            endpoint = "http://collector.example"
        elif mode == "tls":
            endpoint = endpoint.replace("http:", "https:")
        elif mode == "url":
            endpoint = nowhere.replace("http://", "http://user:s3cr3t@")
        elif mode not in ("bad-header", "late"):
            sink.mode = mode
        environ(
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_EXPORTER_OTLP_HEADERS="api-key=s3cr3t" + (",s3cr3t,b d=s3cr3t" if mode == "bad-header" else ""),
        )
        record("span")
        flush(0.3)
        if mode == "late":
            configure(headers={"api-key": "s3cr3t"})
        provider = telemetry().provider
        assert provider is not None
        provider.shutdown()
    output = capfd.readouterr()
    assert "s3cr3t" not in caplog.text + output.out + output.err


# Resource


def test_the_resource_is_what_the_settings_say(environ: Environ) -> None:
    environ(
        AWS_LAMBDA_FUNCTION_NAME="my-function",
        AWS_LAMBDA_FUNCTION_VERSION="12",
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE="128",
        AWS_REGION="us-east-1",
        OTEL_RESOURCE_ATTRIBUTES="team=blue,deployment.environment.name=test",
    )
    provider, _, settings = built()
    attributes = dict(provider.resource.attributes)
    assert attributes.pop("telemetry.sdk.version")
    assert attributes == {
        **settings.resource,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.distro.name": "lambda_otel",
        "telemetry.distro.version": __version__,
    }
    assert attributes["service.name"] == "my-function"
    assert attributes["faas.max_memory"] == 134217728
    assert provider.resource.schema_url.startswith("https://opentelemetry.io/schemas/")


def test_resource_detectors_run_when_they_are_named(environ: Environ) -> None:
    assert "process.pid" not in built()[0].resource.attributes
    environ(OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="process", OTEL_SERVICE_NAME="shop")
    attributes = built()[0].resource.attributes
    assert attributes["process.pid"] == os.getpid()
    assert attributes["service.name"] == "shop"


# Sampling

SAMPLED = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1))
UNSAMPLED = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(0))


def decisions(provider: TracerProvider) -> str:
    """Whether a root, a child of a sampled and a child of an unsampled span are sampled."""
    tracer = provider.get_tracer("test")
    parents = (None, *(set_span_in_context(NonRecordingSpan(parent)) for parent in (SAMPLED, UNSAMPLED)))
    return "".join("y" if tracer.start_span("span", parent).get_span_context().trace_flags.sampled else "n" for parent in parents)


@pytest.mark.parametrize(
    ("sampler", "argument", "expected"),
    [
        ("", "", "yyn"),
        ("always_on", "", "yyy"),
        ("always_off", "", "nnn"),
        ("traceidratio", "1", "yyy"),
        ("traceidratio", "", "yyy"),
        ("traceidratio", "0", "nnn"),
        ("parentbased_always_on", "", "yyn"),
        ("parentbased_always_off", "", "nyn"),
        ("parentbased_traceidratio", "1.0", "yyn"),
        ("parentbased_traceidratio", "0", "nyn"),
        ("Always_ON", "", "yyy"),
    ],
)
def test_every_sampler_of_the_specification_is_known(sampler: str, argument: str, expected: str, environ: Environ, logged: Logged) -> None:
    environ(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument)
    provider, _, settings = built()
    assert decisions(provider) == expected
    assert logged() == []
    if skips_unsampled(settings):
        assert expected.endswith("n"), "a child of an unsampled span would be missing"


def test_a_ratio_samples_about_its_share(environ: Environ) -> None:
    environ(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
    tracer = built()[0].get_tracer("test")
    sampled = sum(tracer.start_span("span").get_span_context().trace_flags.sampled for _ in range(2000))
    assert 700 < sampled < 1300


@pytest.mark.parametrize("argument", ["1.5", "-0.1", "half", "nan", "inf"])
def test_a_ratio_that_is_none_is_one_line_and_everything_is_sampled(argument: str, environ: Environ, logged: Logged) -> None:
    environ(OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG=argument)
    assert decisions(built()[0]) == "yyn"
    assert logged() == [f"OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1, not '{argument}', using 1.0"]


def test_an_unknown_sampler_is_one_line(environ: Environ, logged: Logged) -> None:
    environ(OTEL_TRACES_SAMPLER="dice")
    assert decisions(built()[0]) == "yyn"
    assert logged() == ["OTEL_TRACES_SAMPLER: 'dice' is not known, using 'parentbased_always_on'"]


def test_a_sampler_of_a_package_is_used_with_its_argument(environ: Environ, entry_point: EntryPoint) -> None:
    source = """
        from opentelemetry.sdk.trace import sampling
        make = lambda argument: {"on": sampling.ALWAYS_ON, "off": sampling.ALWAYS_OFF}[argument]
    """
    entry_point("opentelemetry_traces_sampler", "dice", source)
    environ(OTEL_TRACES_SAMPLER="dice", OTEL_TRACES_SAMPLER_ARG="off")
    provider, _, settings = built()
    assert decisions(provider) == "nnn"
    assert not skips_unsampled(settings)


def test_a_sampler_of_a_package_that_raises_is_one_line(environ: Environ, entry_point: EntryPoint, logged: Logged) -> None:
    entry_point("opentelemetry_traces_sampler", "dice", "def make(argument): raise RuntimeError('no dice')")
    environ(OTEL_TRACES_SAMPLER="dice")
    assert decisions(built()[0]) == "yyn"
    assert logged() == ["OTEL_TRACES_SAMPLER: 'dice' raised RuntimeError: no dice, using 'parentbased_always_on'"]


def test_a_sampler_given_in_code_is_used() -> None:
    provider, _, settings = built(sampler=sampling.ALWAYS_OFF)
    assert decisions(provider) == "nnn"
    assert not skips_unsampled(settings)


def test_children_of_unsampled_spans_are_unsampled_too(sink: Sink, environ: Environ) -> None:
    environ(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_TRACES_SAMPLER="always_off")
    with span("outer"), span("inner"):
        assert not trace.get_current_span().is_recording()
    assert flush(20)
    assert sink.requests == []


# Limits


def recorded(provider: TracerProvider) -> tuple[int, int, int, str]:
    """How many of five attributes, events and links are kept, and what of a long value."""
    links = [Link(SAMPLED, {"number": number}) for number in range(5)]
    found: Any = provider.get_tracer("test").start_span("span", links=links, attributes={"long": "value" * 100})
    for number in range(4):
        found.set_attribute(f"key {number}", number)
        found.add_event("event")
    found.add_event("event")
    found.end()
    return len(found.attributes), len(found.events), len(found.links), found.attributes.get("long", "")


def test_without_limits_of_the_environment_there_are_those_of_the_specification() -> None:
    assert recorded(built()[0]) == (5, 5, 5, "value" * 100)


def test_limits_of_the_environment_are_kept(environ: Environ) -> None:
    environ(OTEL_SPAN_EVENT_COUNT_LIMIT="2", OTEL_SPAN_LINK_COUNT_LIMIT="3", OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="7")
    assert recorded(built()[0]) == (5, 2, 3, "valueva")


LIMITS = [
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
]


@pytest.mark.parametrize("variable", LIMITS)
@pytest.mark.parametrize("value", ["many", "-1", "1.5"])
def test_a_limit_that_is_none_is_one_line_and_the_others_are_kept(variable: str, value: str, environ: Environ, logged: Logged) -> None:
    other = "OTEL_SPAN_EVENT_COUNT_LIMIT" if variable != "OTEL_SPAN_EVENT_COUNT_LIMIT" else "OTEL_SPAN_LINK_COUNT_LIMIT"
    environ(**{variable: value, other: "2"}, OTEL_TRACES_EXPORTER="console")
    provider = telemetry().provider
    assert provider is not None
    (line,) = logged()
    assert line.startswith(f"{variable}: must be a whole number")
    events, links = (2, 5) if other == "OTEL_SPAN_EVENT_COUNT_LIMIT" else (5, 2)
    assert recorded(provider) == (5, events, links, "value" * 100)
    assert flush(20)


def test_the_switch_turns_everything_off(sink: Sink, environ: Environ) -> None:
    environ(OTEL_SDK_DISABLED="True", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_TRACES_EXPORTER="otlp")
    record("span")
    assert flush()
    assert state.telemetry is not None
    assert not state.telemetry.records
    assert sink.connections == 0
