"""The systems that are compared. To update one, change its versions here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

RUNTIME = ("awslambdaric==4.2.2", "boto3==1.44.5")

_SDK = ("opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2")


@dataclass(frozen=True)
class System:
    """One way to trace a function.

    Attributes:
        name: Label in the tables.
        subject: Module in `subjects` that sets it up.
        requirements: What pip installs.
        environment: Variables that it needs; `{folder}` is where it is installed.
        launcher: Script of its `bin` folder that starts the function's process, as the start script of a layer does.
        after_answer: Variables with which it sends after the answer; none when it cannot.
    """

    name: str
    subject: str
    requirements: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    launcher: str | None = None
    after_answer: Mapping[str, str] = field(default_factory=dict)


BARE = System("no tracing", "bare", ())
BASE = System("SDK by hand", "base", _SDK)
OURS = System("lambda_otel", "ours", (".",), after_answer={"LAMBDA_OTEL_FLUSH_MODE": "async"})

# For cold starts only: what any library on OpenTelemetry's SDK has to load.
FLOOR = replace(BASE, name="OpenTelemetry's provider alone", subject="floor")

# For inner spans only: the same spans by other means, and the least that a decorator costs.
WITH = replace(OURS, name="`with` on lambda_otel's provider", subject="ours_with")
DECORATED = replace(BARE, name="decorator without tracing", subject="decorated")


# What the layers install beside the instrumentation of Lambda, and what their start scripts set.
_LAYER_INSTRUMENTATIONS = (
    "aiohttp-client asgi asyncpg boto3sqs botocore celery dbapi django falcon fastapi flask grpc jinja2 mysql psycopg2 "
    "pymemcache pymongo pymysql pyramid redis requests sqlalchemy sqlite3 starlette tornado urllib urllib3 wsgi"
)
_NOT_IN_ADOT_BY_DEFAULT = (
    "aio-pika,aiohttp-client,aiohttp-server,aiopg,asgi,asyncio,asyncpg,boto,boto3,cassandra,celery,confluent_kafka,dbapi,django,"
    "elasticsearch,falcon,fastapi,flask,grpc_client,grpc_server,grpc_aio_client,grpc_aio_server,httpx,jinja2,kafka,logging,mysql,"
    "mysqlclient,pika,psycopg,psycopg2,pymemcache,pymongo,pymysql,pyramid,redis,remoulade,requests,sklearn,sqlalchemy,sqlite3,starlette,"
    "system_metrics,threading,tornado,tortoiseorm,wsgi,openai_agents,aws_openai_agents,aws_crewai,aws_langchain,aws_mcp,aws_llama-index,"
    "aws-lambda"
)
_LAYER_RESOURCE = "cloud.region=eu-west-1,cloud.provider=aws,faas.name=benchmark,faas.version=$LATEST"

CONTRIB = System(
    "contrib, by hand",
    "contrib",
    ("opentelemetry-instrumentation-aws-lambda==0.66b1", "opentelemetry-sdk==1.45.1", "opentelemetry-exporter-otlp-proto-http==1.45.1"),
)
CONTRIB_LAYER = System(
    "contrib, as the layer",
    "contrib_layer",
    (
        "opentelemetry-distro==0.65b0",
        "opentelemetry-exporter-otlp-proto-http==1.44.0",
        "opentelemetry-propagator-aws-xray==1.0.2",
        "opentelemetry-instrumentation-aws-lambda==0.65b0",
        *(f"opentelemetry-instrumentation-{name}==0.65b0" for name in _LAYER_INSTRUMENTATIONS.split()),
    ),
    {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "benchmark",
        "OTEL_PROPAGATORS": "tracecontext,baggage,xray",
        "OTEL_RESOURCE_ATTRIBUTES": _LAYER_RESOURCE,
        "ORIG_HANDLER": "layer_function.handler",
        "_HANDLER": "contrib_layer.handler",
    },
    launcher="opentelemetry-instrument",
)
ADOT_LAYER = System(
    "ADOT, as the layer",
    "adot_layer",
    ("aws-opentelemetry-distro==0.21.0",),
    {
        "OTEL_PYTHON_DISTRO": "aws_distro",
        "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
        "OTEL_AWS_APPLICATION_SIGNALS_ENABLED": "true",
        "OTEL_AWS_APPLICATION_SIGNALS_RUNTIME_ENABLED": "false",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PROPAGATORS": "baggage,xray,tracecontext",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": _NOT_IN_ADOT_BY_DEFAULT,
        "OTEL_SERVICE_NAME": "benchmark",
        "OTEL_RESOURCE_ATTRIBUTES": _LAYER_RESOURCE,
        "ORIG_HANDLER": "layer_function.handler",
        "_HANDLER": "adot_layer.handler",
    },
    launcher="opentelemetry-instrument",
)

PEERS = (
    CONTRIB,
    CONTRIB_LAYER,
    ADOT_LAYER,
    System(
        "lambda-otel-lite",
        "lite",
        ("lambda-otel-lite[otlp-http]==0.15.0", "opentelemetry-sdk==1.45.2"),
        after_answer={"LAMBDA_EXTENSION_SPAN_PROCESSOR_MODE": "async"},
    ),
    System("Powertools Tracer", "powertools", ("aws-lambda-powertools==3.37.0", "aws-xray-sdk==2.15.0")),
    System(
        "datadog-lambda",
        "datadog_subject",
        ("datadog-lambda==8.130.0", "ddtrace==4.16.0"),
        {"DD_SITE": "datadoghq.com", "DD_API_KEY": "0" * 32},
    ),
    System("sentry-sdk", "sentry", ("sentry-sdk==2.75.0",)),
    System("logfire", "logfire_subject", ("logfire[aws-lambda]==5.2.0",)),
)

ALL = (OURS, BASE, *PEERS)
