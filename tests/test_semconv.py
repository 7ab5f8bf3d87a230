"""The constants are those of the conventions, and every key that is emitted is among them."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import opentelemetry.semconv._incubating.attributes as incubating
import opentelemetry.semconv.attributes as stable
import pytest
from opentelemetry.semconv.schemas import Schemas

from lambda_otel import semconv, traced_handler, traced_record
from lambda_otel.sources import recognize

EVENTS = Path(__file__).parent / "events"
CASES = sorted(path for path in EVENTS.glob("*/*.json") if not path.name.endswith(".expected.json"))

CONSTANTS = {name: value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
CUSTOM_SYSTEMS = {"SYSTEM_EVENTBRIDGE", "SYSTEM_KINESIS"}
OWN = {name for name, value in CONSTANTS.items() if value.startswith("lambda_otel.")} | {"ERROR_TYPE_BATCH_FAILED"}

# Renamed, given up or meant for other spans: the package still defines them.
DEPRECATED = {
    *("faas.execution", "faas.id", "aws.lambda.resource_mapping.id", "aws.request_id", "messaging.destination_kind", "messaging.url"),
    *("http.method", "http.status_code", "http.scheme", "http.url", "http.target", "http.host", "http.server_name", "http.user_agent"),
    *("http.client_ip", "http.flavor", "http.request_content_length", "http.response_content_length", "net.host.name", "net.host.port"),
    *("net.peer.name", "net.peer.port", "net.peer.ip", "net.sock.peer.addr", "net.sock.peer.port", "net.sock.host.addr"),
    *("messaging.destination", "messaging.operation", "messaging.message_id", "messaging.conversation_id", "messaging.client_id"),
    *("messaging.message_payload_size_bytes", "messaging.kafka.message.offset", "messaging.kafka.destination.partition"),
    *("messaging.kafka.consumer.group", "rpc.system", "rpc.service", "db.system", "code.function", "code.namespace", "code.lineno"),
    *("deployment.environment", "exception.escaped", "AmazonSQS", "aws.sqs", "aws_sns", "publish", "deliver"),
}

is_newest = hasattr(Schemas, "V1_44_0")
needs_newest = pytest.mark.skipif(not is_newest, reason="the installed semantic conventions are older than those written down")


def modules_of(package: Any) -> Iterator[Any]:
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        yield importlib.import_module(found.name)


def known_names() -> set[str]:
    """All attribute keys and enumerated values of the installed package."""
    found: set[str] = set()
    for module in (*modules_of(stable), *modules_of(incubating)):
        for value in vars(module).values():
            if isinstance(value, str):
                found.add(value)
            elif inspect.isclass(value) and issubclass(value, Enum):
                found.update(member.value for member in value if isinstance(member.value, str))
    return found


def names_by_constant() -> dict[str, set[str]]:
    """The keys of the installed package by the name of their constant, templates without their suffix."""
    found: dict[str, set[str]] = {}
    for module in (*modules_of(stable), *modules_of(incubating)):
        for name, value in vars(module).items():
            if isinstance(value, str) and name.isupper():
                found.setdefault(name.removesuffix("_TEMPLATE"), set()).add(value)
    return found


@needs_newest
@pytest.mark.parametrize("name", sorted(CONSTANTS.keys() - CUSTOM_SYSTEMS - OWN - {"SCHEMA_URL"}))
def test_constant_is_one_of_the_installed_conventions(name: str) -> None:
    value = CONSTANTS[name]
    assert value in known_names()
    if "." in value and not name.startswith("SYSTEM_"):
        assert value in names_by_constant()[name]


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_constant_is_not_deprecated(name: str) -> None:
    assert CONSTANTS[name] not in DEPRECATED


@pytest.mark.parametrize("name", sorted(CUSTOM_SYSTEMS))
def test_custom_system_is_unknown_to_the_conventions(name: str) -> None:
    assert CONSTANTS[name] not in known_names()


@needs_newest
def test_schema_url_is_one_of_the_installed_conventions() -> None:
    assert semconv.SCHEMA_URL in {schema.value for schema in Schemas}


def test_no_two_constants_have_one_value() -> None:
    assert len(set(CONSTANTS.values())) == len(CONSTANTS)


def test_every_constant_is_used() -> None:
    package = Path(semconv.__file__).parent
    used = {
        node.attr
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "semconv"
    }
    assert used == CONSTANTS.keys()


def records_of(event: Any) -> list[Any]:
    if not isinstance(event, dict):
        return []
    nested = event.get("rmqMessagesByQueue") or (event["records"] if isinstance(event.get("records"), dict) else {})
    return [record for records in nested.values() for record in records] or event.get("Records") or event.get("messages") or []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_every_emitted_key_is_a_constant(case: Path, spans: Any, lambda_context: Any) -> None:
    event = json.loads(case.read_text())
    result = json.loads(case.with_suffix(".expected.json").read_text()).get("result")
    process = traced_record(lambda record: None)

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        for record in records_of(event):
            process(record)
        return result

    handler(event, lambda_context)
    ended = spans.take()
    keys = {key for span in ended for key in span.attributes} | {key for span in ended for link in span.links for key in link.attributes}
    assert keys <= set(CONSTANTS.values())
    assert ended[-1].attributes[semconv.FAAS_TRIGGER] == recognize(event)[1].faas_trigger
    assert {span.instrumentation_scope.schema_url for span in ended} == {semconv.SCHEMA_URL}
