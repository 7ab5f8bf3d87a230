"""Trace context out of carriers and into them, whatever their form and the order of the propagators."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, detach, get_value, set_value
from opentelemetry.propagators.aws.aws_xray_propagator import AwsXRayLambdaPropagator, AwsXRayPropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lambda_otel import configure, traced_handler, traced_record
from lambda_otel.config import read
from lambda_otel.propagation import Extracted, Propagation, build, inject_carrier
from lambda_otel.state import state

W3C_TRACE, W3C_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
XRAY_TRACE, XRAY_SPAN = "5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
ENVIRONMENT_TRACE, ENVIRONMENT_SPAN = "69a4c611aabbccddeeff001122334455", "1a2b3c4d5e6f7081"

TRACEPARENT = f"00-{W3C_TRACE}-{W3C_SPAN}-01"
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"
XRAY = f"{ROOT};Parent={XRAY_SPAN};Sampled=1"
UNSAMPLED_XRAY = f"{ROOT};Parent={XRAY_SPAN};Sampled=0"
ENVIRONMENT = f"Root=1-69a4c611-aabbccddeeff001122334455;Parent={ENVIRONMENT_SPAN};Sampled=1"

W3C = (W3C_TRACE, W3C_SPAN)
X = (XRAY_TRACE, XRAY_SPAN)
E = (ENVIRONMENT_TRACE, ENVIRONMENT_SPAN)


def propagation(names: str | None = None, **overrides: Any) -> Propagation:
    return build(read({"OTEL_PROPAGATORS": names} if names else {}, overrides))


def ids(context: SpanContext | None) -> tuple[str, str] | None:
    return context and (format_trace_id(context.trace_id), format_span_id(context.span_id))


def found(extracted: Extracted) -> tuple[str, str] | None:
    return ids(extracted.span_context)


def sampled(extracted: Extracted) -> bool:
    assert extracted.span_context
    return bool(extracted.span_context.trace_flags & TraceFlags.SAMPLED)


@contextmanager
def current(flags: int = 1, state: Mapping[str, str] | None = None, entries: Mapping[str, str] | None = None) -> Iterator[None]:
    """A remote span, and baggage, as the current ones."""
    span_context = SpanContext(int(W3C_TRACE, 16), int(W3C_SPAN, 16), True, TraceFlags(flags), TraceState(list((state or {}).items())))
    context = trace.set_span_in_context(NonRecordingSpan(span_context), Context())
    for key, value in (entries or {}).items():
        context = baggage.set_baggage(key, value, context)
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


class Handled:
    """What a handler of an HTTP event saw, and the spans that it got."""

    def __init__(self, headers: Mapping[str, Any], installed: InMemorySpanExporter, lambda_context: Any) -> None:
        self.baggage: Mapping[str, object] = {}

        @traced_handler
        def handler(event: Any, context: Any) -> dict[str, Any]:
            self.baggage = baggage.get_all()
            return {"statusCode": 200}

        event = {"requestContext": {}, "httpMethod": "GET", "resource": "/pets", "path": "/pets", "headers": headers}
        assert handler(event, lambda_context) == {"statusCode": 200}
        self.spans = installed.get_finished_spans()
        installed.clear()

    @property
    def parent(self) -> tuple[str, str] | None:
        """Trace and span of the parent."""
        (span,) = self.spans
        return ids(span.parent)

    @property
    def links(self) -> list[tuple[str, str] | None]:
        """Trace and span of each link."""
        (span,) = self.spans
        return [ids(link.context) for link in span.links]


# --- X-Ray's header, in the forms that exist


@pytest.mark.parametrize(
    "header",
    [
        XRAY,
        XRAY + ";",
        XRAY + ";;",
        f"{ROOT}; Parent={XRAY_SPAN}; Sampled=1",
        f"Self=1-67891234-12456789abcdef012345678;{XRAY}",
        f"{XRAY};Lineage=1:a87bd80c:0",
        f"{XRAY};Lineage=a87bd80c:0,68fd508a:5|c512fbe3:2",
        f"{XRAY};Custom=a=b",
        f"Sampled=1;Parent={XRAY_SPAN};{ROOT}",
        f"{XRAY};novalue",
    ],
)
def test_sampled_xray_header_is_a_parent(header: str) -> None:
    extracted = propagation().extract(({"x-amzn-trace-id": header},))
    assert (found(extracted), sampled(extracted), extracted.unsampled) == (X, True, None)


@pytest.mark.parametrize(
    "header",
    [
        UNSAMPLED_XRAY,
        UNSAMPLED_XRAY + ";",
        f"{ROOT};Parent={XRAY_SPAN}",
        f"{ROOT};Parent={XRAY_SPAN};",
        f"{ROOT};Parent={XRAY_SPAN};Sampled=?",
        f"{ROOT};Parent={XRAY_SPAN};Sampled=",
        f"{ROOT};Parent={XRAY_SPAN};Sampled=?;Lineage=1:a87bd80c:0",
    ],
)
def test_xray_header_that_is_not_sampled_is_no_parent_but_worth_a_link(header: str) -> None:
    extracted = propagation().extract(({"x-amzn-trace-id": header},))
    assert (found(extracted), ids(extracted.unsampled), extracted.context) == (None, X, Context())


@pytest.mark.parametrize(
    "header",
    [
        ROOT,
        ROOT + ";",
        f"{ROOT};Sampled=1",
        f"Parent={XRAY_SPAN};Sampled=1",
        f"{ROOT};Parent=;Sampled=1",
        f"{ROOT};Parent=53995c3f;Sampled=1",
        f"Root=5759e988bd862e3fe1be46a994272793;Parent={XRAY_SPAN};Sampled=1",
        f"Root=1-00000000-000000000000000000000000;Parent={XRAY_SPAN};Sampled=1",
        f"{ROOT};Parent=0000000000000000;Sampled=1",
        f"{ROOT};Parent=zzzzzzzzzzzzzzzz;Sampled=1",
        ";",
        "",
        "=",
    ],
)
def test_xray_header_without_a_whole_span_says_nothing(header: str) -> None:
    extracted = propagation().extract(({"x-amzn-trace-id": header},))
    assert (extracted.context, extracted.span_context, extracted.unsampled) == (Context(), None, None)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=100) | st.lists(st.sampled_from([ROOT, f"Parent={XRAY_SPAN}", "Sampled=1", "=", "", "Lineage=a"])).map(";".join))
def test_no_xray_header_raises_or_invents_a_span(header: str) -> None:
    assert found(propagation().extract(({"x-amzn-trace-id": header},))) in (None, X)


# --- W3C and X-Ray together

ORDERS = [",".join(order) for order in itertools.permutations(("tracecontext", "baggage", "xray"))]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("xray", [XRAY, UNSAMPLED_XRAY, ROOT])
def test_w3c_goes_before_xray_in_any_order(order: str, xray: str) -> None:
    carrier = {"traceparent": TRACEPARENT, "tracestate": "v=1", "baggage": "user=7", "x-amzn-trace-id": xray}
    extracted = propagation(order).extract((carrier,))
    assert (found(extracted), sampled(extracted), extracted.unsampled) == (W3C, True, None)
    assert extracted.span_context
    assert extracted.span_context.trace_state == {"v": "1"}
    assert baggage.get_all(extracted.context) == {"user": "7"}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("traceparent", ["", "garbage", f"00-{'0' * 32}-{W3C_SPAN}-01", f"ff-{W3C_TRACE}-{W3C_SPAN}-01"])
def test_xray_counts_where_w3c_is_broken(order: str, traceparent: str) -> None:
    extracted = propagation(order).extract(({"traceparent": traceparent, "x-amzn-trace-id": XRAY},))
    assert found(extracted) == X


@pytest.mark.parametrize("order", ORDERS)
def test_xray_object_gives_way_to_w3c_object_in_any_order(order: str) -> None:
    made = {"tracecontext": TraceContextTextMapPropagator, "baggage": W3CBaggagePropagator, "xray": AwsXRayPropagator}
    chosen = propagation(propagators=tuple(made[name]() for name in order.split(",")))
    assert found(chosen.extract(({"traceparent": TRACEPARENT, "x-amzn-trace-id": XRAY},))) == W3C
    assert found(chosen.extract(({"x-amzn-trace-id": UNSAMPLED_XRAY},))) is None


def test_propagator_left_out_by_the_user_is_not_read() -> None:
    carrier = {"traceparent": TRACEPARENT, "x-amzn-trace-id": XRAY, "baggage": "user=7"}
    assert found(propagation("xray").extract((carrier,))) == X
    assert found(propagation("tracecontext").extract((carrier,))) == W3C
    assert not baggage.get_all(propagation("tracecontext").extract((carrier,)).context)
    assert propagation("none").extract((carrier,)).context == Context()


@pytest.mark.parametrize("xray", [None, XRAY, UNSAMPLED_XRAY, f"Root=1-{W3C_TRACE[:8]}-{W3C_TRACE[8:]};Parent={W3C_SPAN};Sampled=0"])
def test_w3c_flag_00_is_obeyed_even_beside_an_xray_header_of_the_same_span(xray: str | None, installed: Any, lambda_context: Any) -> None:
    headers = {"traceparent": f"00-{W3C_TRACE}-{W3C_SPAN}-00", **({"X-Amzn-Trace-Id": xray} if xray else {})}
    assert Handled(headers, installed, lambda_context).spans == ()


@pytest.mark.parametrize("xray", [UNSAMPLED_XRAY, f"{ROOT};Parent={XRAY_SPAN}", f"{ROOT};Parent={XRAY_SPAN};Sampled=?", ROOT])
def test_unsampled_xray_never_silences_a_trace(xray: str, installed: Any, lambda_context: Any) -> None:
    alone = Handled({"X-Amzn-Trace-Id": xray}, installed, lambda_context)
    assert (alone.parent, alone.links) == (None, [] if xray == ROOT else [X])
    beside_w3c = Handled({"X-Amzn-Trace-Id": xray, "traceparent": TRACEPARENT}, installed, lambda_context)
    assert (beside_w3c.parent, beside_w3c.links) == (W3C, [])


def test_unsampled_xray_silences_a_trace_where_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any
) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_UNSAMPLED_XRAY", "parent")
    assert Handled({"X-Amzn-Trace-Id": UNSAMPLED_XRAY}, installed, lambda_context).spans == ()
    assert Handled({"X-Amzn-Trace-Id": XRAY}, installed, lambda_context).parent == X


@pytest.mark.parametrize("flags", ["01", "03", "ff"])
def test_trace_flags_are_read_by_their_lowest_bit(flags: str, installed: Any, lambda_context: Any) -> None:
    handled = Handled({"traceparent": f"00-{W3C_TRACE}-{W3C_SPAN}-{flags}"}, installed, lambda_context)
    assert handled.parent == W3C


@pytest.mark.parametrize("flags", ["00", "02"])
def test_trace_flags_without_their_lowest_bit_are_not_sampled(flags: str, installed: Any, lambda_context: Any) -> None:
    assert Handled({"traceparent": f"00-{W3C_TRACE}-{W3C_SPAN}-{flags}"}, installed, lambda_context).spans == ()


@pytest.mark.parametrize(
    "headers",
    [
        {"TraceParent": TRACEPARENT, "BAGGAGE": "user=7"},
        {"TRACEPARENT": [TRACEPARENT], "Baggage": ["user=7"]},
        {"traceparent": ["garbage", TRACEPARENT], "baggage": ["a=b", "user=7"]},
    ],
)
def test_header_names_count_in_any_case_and_values_as_lists(headers: dict[str, Any], installed: Any, lambda_context: Any) -> None:
    handled = Handled(headers, installed, lambda_context)
    assert handled.parent == W3C
    assert handled.baggage["user"] == "7"


def test_baggage_alone_reaches_the_handler(installed: Any, lambda_context: Any) -> None:
    handled = Handled({"baggage": "user=7"}, installed, lambda_context)
    assert (handled.parent, handled.baggage) == (None, {"user": "7"})


def test_baggage_of_a_carrier_without_a_span_is_kept() -> None:
    extracted = propagation().extract(({"baggage": "user=7"}, {"x-amzn-trace-id": XRAY}, {"traceparent": TRACEPARENT}))
    assert found(extracted) == X
    assert baggage.get_all(extracted.context) == {"user": "7"}


def test_first_carrier_with_a_valid_span_wins() -> None:
    other = f"00-{XRAY_TRACE}-{XRAY_SPAN}-01"
    carriers = ({"traceparent": "garbage"}, {}, {"x-amzn-trace-id": ROOT}, {"traceparent": TRACEPARENT}, {"traceparent": other})
    assert found(propagation().extract(carriers)) == W3C


def test_unsampled_xray_of_one_carrier_gives_way_to_w3c_of_the_next() -> None:
    extracted = propagation().extract(({"x-amzn-trace-id": UNSAMPLED_XRAY}, {"traceparent": TRACEPARENT}))
    assert (found(extracted), ids(extracted.unsampled)) == (W3C, X)


# --- The variable of Lambda's active tracing


def test_variable_is_not_read_by_default(monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", ENVIRONMENT)
    handled = Handled({}, installed, lambda_context)
    assert (handled.parent, handled.links) == (None, [])


@pytest.fixture
def active_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function with active tracing that reports to X-Ray."""
    monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext,baggage,xray-lambda")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", ENVIRONMENT)


@pytest.mark.parametrize(
    ("headers", "parent"),
    [
        ({}, E),
        ({"X-Amzn-Trace-Id": XRAY}, E),
        ({"X-Amzn-Trace-Id": UNSAMPLED_XRAY}, E),
        ({"traceparent": TRACEPARENT}, W3C),
        ({"traceparent": TRACEPARENT, "X-Amzn-Trace-Id": XRAY}, W3C),
        ({"traceparent": "garbage"}, E),
        ({"baggage": "user=7"}, E),
        ({"baggage": "user=7", "X-Amzn-Trace-Id": XRAY}, E),
    ],
)
@pytest.mark.usefixtures("active_tracing")
def test_variable_goes_before_an_xray_header_and_behind_w3c(
    headers: dict[str, str], parent: tuple[str, str], installed: Any, lambda_context: Any
) -> None:
    handled = Handled(headers, installed, lambda_context)
    assert handled.parent == parent
    assert handled.baggage == ({"user": "7"} if "baggage" in headers else {})


@pytest.mark.parametrize("order", ["xray-lambda,tracecontext", "tracecontext,xray-lambda", "xray-lambda,baggage,tracecontext"])
@pytest.mark.usefixtures("active_tracing")
def test_order_of_the_names_does_not_matter_to_the_variable(
    order: str, monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any
) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", order)
    assert Handled({"traceparent": TRACEPARENT}, installed, lambda_context).parent == W3C
    assert Handled({}, installed, lambda_context).parent == E


@pytest.mark.parametrize(
    "value", ["Root=1-69a4c611-aabbccddeeff001122334455", "Root=1-69a4c611-aabbccddeeff001122334455;Sampled=0", "garbage", ""]
)
@pytest.mark.usefixtures("active_tracing")
def test_variable_without_a_span_leaves_the_header_to_count(
    value: str, monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any, logged: Callable[[], list[str]]
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", value)
    assert Handled({"X-Amzn-Trace-Id": XRAY}, installed, lambda_context).parent == X
    assert Handled({}, installed, lambda_context).parent is None
    monkeypatch.delenv("_X_AMZN_TRACE_ID")
    assert Handled({"X-Amzn-Trace-Id": XRAY}, installed, lambda_context).parent == X
    assert logged() == []


@pytest.mark.usefixtures("active_tracing")
def test_unsampled_variable_is_obeyed_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", ENVIRONMENT.replace("Sampled=1", "Sampled=0"))
    assert Handled({}, installed, lambda_context).spans == ()
    state.reset()
    monkeypatch.setenv("LAMBDA_OTEL_UNSAMPLED_XRAY", "link")
    handled = Handled({}, installed, lambda_context)
    assert (handled.parent, handled.links) == (None, [E])


@pytest.mark.usefixtures("active_tracing")
def test_variable_with_a_tracestate_of_another_carrier_is_not_mixed(installed: Any) -> None:
    carriers = ({"traceparent": TRACEPARENT}, {"tracestate": "v=1", "traceparent": f"00-{XRAY_TRACE}-{XRAY_SPAN}-01"})
    extracted = propagation("tracecontext,xray-lambda").extract_invocation(carriers)
    assert found(extracted) == W3C
    assert extracted.span_context
    assert not extracted.span_context.trace_state


@pytest.mark.usefixtures("active_tracing")
def test_links_of_messages_never_read_the_variable(installed: Any, lambda_context: Any) -> None:
    process = traced_record(lambda record: None)

    @traced_handler
    def handler(event: Any, context: Any) -> None:
        for record in event["Records"]:
            process(record)

    def record(number: int, **attributes: str) -> dict[str, Any]:
        return {"eventSource": "aws:sqs", "messageId": str(number), "body": "", "attributes": attributes, "messageAttributes": {}}

    handler({"Records": [record(1), record(2, AWSTraceHeader=XRAY), record(3, AWSTraceHeader=ROOT)]}, lambda_context)
    ended = installed.get_finished_spans()
    linked = {
        span.name + str(span.attributes.get("messaging.message.id", "")): [ids(link.context) for link in span.links] for span in ended
    }
    assert linked == {"process1": [], "process2": [X], "process3": [], "process": [X], "my-function": []}
    assert ids(ended[-1].parent) == E


@pytest.mark.usefixtures("active_tracing")
def test_lambda_propagator_given_as_an_object_reads_no_variable_for_messages() -> None:
    chosen = propagation(propagators=(TraceContextTextMapPropagator(), AwsXRayLambdaPropagator()))
    assert found(chosen.extract(({"x-amzn-trace-id": XRAY},))) == X
    assert found(chosen.extract(({"traceparent": TRACEPARENT},))) == W3C
    assert found(chosen.extract(({"tracestate": "v=1"},))) is None


# --- Other formats, by name

B3_SINGLE = {"b3": f"{W3C_TRACE}-{W3C_SPAN}-1"}
B3_MULTI = {"x-b3-traceid": W3C_TRACE, "x-b3-spanid": W3C_SPAN, "x-b3-sampled": "1"}
JAEGER = {"uber-trace-id": f"{W3C_TRACE}:{W3C_SPAN}:0:1"}


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("b3", B3_SINGLE),
        ("b3", B3_MULTI),
        ("b3multi", B3_MULTI),
        ("b3multi", B3_SINGLE),
        ("b3", {"X-B3-TraceId": W3C_TRACE, "X-B3-SpanId": W3C_SPAN, "X-B3-Flags": "1"}),
        ("jaeger", JAEGER),
        ("jaeger", {"Uber-Trace-Id": JAEGER["uber-trace-id"]}),
        ("tracecontext,b3,jaeger", B3_SINGLE),
        ("tracecontext,b3,jaeger", JAEGER),
    ],
)
def test_format_of_a_package_is_read_by_its_name(
    name: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any
) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", name)
    handled = Handled({"X-Amzn-Trace-Id": XRAY, **headers}, installed, lambda_context)
    assert (handled.parent, handled.links) == (W3C, [])


@pytest.mark.parametrize(
    ("name", "carrier"), [("b3", B3_SINGLE), ("b3multi", B3_MULTI), ("jaeger", {"uber-trace-id": f"{W3C_TRACE}:{W3C_SPAN}:{'0' * 16}:03"})]
)
def test_format_of_a_package_is_written_by_its_name(name: str, carrier: dict[str, str]) -> None:
    with current():
        assert propagation(name).inject() == carrier
        assert propagation(f"tracecontext,{name}").inject() == {**carrier, "traceparent": TRACEPARENT}


def test_w3c_goes_before_other_formats_in_any_order() -> None:
    carrier = {"traceparent": TRACEPARENT, "b3": f"{XRAY_TRACE}-{XRAY_SPAN}-1"}
    assert found(propagation("tracecontext,b3").extract((carrier,))) == W3C
    assert found(propagation("b3,tracecontext").extract((carrier,))) == W3C


def test_baggage_in_jaegers_format_travels() -> None:
    extracted = propagation("jaeger").extract(({**JAEGER, "uberctx-user": "7"},))
    assert baggage.get_all(extracted.context) == {"user": "7"}
    with current(entries={"user": "7"}):
        assert propagation("jaeger").inject()["uberctx-user"] == "7"


@pytest.mark.parametrize("xray", [UNSAMPLED_XRAY, ROOT])
@pytest.mark.parametrize("flag", ["0", "1"])
def test_b3_is_obeyed_beside_an_xray_header_that_says_less(xray: str, flag: str) -> None:
    extracted = propagation("b3,xray").extract(({"b3": f"{W3C_TRACE}-{W3C_SPAN}-{flag}", "x-amzn-trace-id": xray},))
    assert (found(extracted), sampled(extracted), extracted.unsampled) == (W3C, flag == "1", None)


# --- Propagators that fail


def test_unknown_propagator_is_said_once_and_the_others_work(
    monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any, logged: Callable[[], list[str]]
) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontxt,baggage,tracecontext")
    for _ in range(3):
        handled = Handled({"traceparent": TRACEPARENT, "baggage": "user=7"}, installed, lambda_context)
        assert (handled.parent, handled.baggage) == (W3C, {"user": "7"})
    assert logged() == ["OTEL_PROPAGATORS: 'tracecontxt' cannot be used (misspelt, or its package is not installed), left out"]


class Broken(TextMapPropagator):
    """Raises, after it has written half."""

    fields = {"x-broken"}  # noqa: RUF012 (a set, as the interface has it)

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Context:
        raise RuntimeError("topsecret")

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        carrier["x-broken"] = "half"
        raise RuntimeError("topsecret")


def test_propagator_that_raises_is_said_once_and_the_others_work(
    installed: Any, lambda_context: Any, logged: Callable[[], list[str]]
) -> None:
    configure(propagators=(Broken(), TraceContextTextMapPropagator(), "baggage"))
    for _ in range(3):
        handled = Handled({"traceparent": TRACEPARENT, "baggage": "user=7"}, installed, lambda_context)
        assert (handled.parent, handled.baggage) == (W3C, {"user": "7"})
        with current():
            assert inject_carrier() == {"traceparent": TRACEPARENT}
    assert logged() == [
        "Broken could not read a trace context: RuntimeError",
        "Broken could not write a trace context: RuntimeError",
    ]


@pytest.mark.parametrize("thing", [object(), 7, None, TraceContextTextMapPropagator])
def test_object_that_is_no_propagator_is_said_and_the_others_work(thing: Any, logged: Callable[[], list[str]]) -> None:
    chosen = propagation(propagators=(thing, "tracecontext"))
    assert found(chosen.extract(({"traceparent": TRACEPARENT},))) == W3C
    with current():
        assert chosen.inject() == {"traceparent": TRACEPARENT}
    assert logged()


class Empty(TextMapPropagator):
    """Returns no context, and writes nothing that can be sent."""

    fields: set[str] = set()  # noqa: RUF012 (a set, as the interface has it)

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Any:
        return None

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        carrier.update({"x-empty": "", "x-none": None, "x-number": 7, 7: "x"})


def test_propagator_that_returns_nothing_leaves_what_the_others_found() -> None:
    chosen = propagation(propagators=("baggage", Empty(), "tracecontext"))
    extracted = chosen.extract(({"traceparent": TRACEPARENT, "baggage": "user=7"},))
    assert found(extracted) == W3C
    assert baggage.get_all(extracted.context) == {"user": "7"}
    with current():
        assert chosen.inject() == {"traceparent": TRACEPARENT}


class Shouting(TextMapPropagator):
    """Spells its key in its own way."""

    fields = {"X-SHOUT"}  # noqa: RUF012 (a set, as the interface has it)

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Context:
        (value,) = getter.get(carrier, "X-SHOUT") or [""]
        return baggage.set_baggage("shout", value, context)

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        carrier["X-SHOUT"] = "hello"


def test_propagator_of_the_user_finds_its_key_in_any_case(installed: Any, lambda_context: Any) -> None:
    configure(propagators=("tracecontext", Shouting()))
    assert Handled({"x-Shout": "hello"}, installed, lambda_context).baggage == {"shout": "hello"}


@pytest.mark.parametrize(
    ("order", "last"), [((TraceContextTextMapPropagator, AwsXRayPropagator), X), ((AwsXRayPropagator, TraceContextTextMapPropagator), W3C)]
)
def test_composite_reads_what_its_parts_read_in_its_own_order(order: tuple[Any, Any], last: tuple[str, str]) -> None:
    chosen = propagation(propagators=(CompositePropagator([made() for made in order]),))
    assert found(chosen.extract(({"traceparent": TRACEPARENT},))) == W3C
    assert found(chosen.extract(({"x-amzn-trace-id": XRAY + ";"},))) == X
    assert found(chosen.extract(({"traceparent": TRACEPARENT, "x-amzn-trace-id": XRAY + ";"},))) == last


def test_propagators_read_in_their_order() -> None:
    class Tenant(W3CBaggagePropagator):
        """Finds what the baggage before it has said."""

        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Context:
            return set_value("tenant", baggage.get_baggage("tenant", context), context)

        @property
        def fields(self) -> set[str]:
            return {"tenant"}

    chosen = propagation(propagators=("tracecontext", "baggage", Tenant()))
    extracted = chosen.extract(({"traceparent": TRACEPARENT, "baggage": "tenant=acme"},))
    assert (found(extracted), get_value("tenant", extracted.context)) == (W3C, "acme")


def test_packages_are_not_searched_for_the_propagators_of_lambda(monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[str]]) -> None:
    def search(**_: Any) -> None:
        raise AssertionError("a search of all installed packages costs as much as the handler")

    monkeypatch.setattr("importlib.metadata.entry_points", search)
    assert found(propagation("tracecontext,baggage,xray").extract(({"x-amzn-trace-id": XRAY},))) == X
    assert found(propagation("none,xray-lambda").extract(({"x-amzn-trace-id": XRAY},))) == X
    assert logged() == []


# --- Out


def test_context_is_written_in_the_default_formats() -> None:
    with current(state={"v": "1"}, entries={"user": "7"}):
        assert inject_carrier() == {
            "traceparent": TRACEPARENT,
            "tracestate": "v=1",
            "baggage": "user=7",
            "X-Amzn-Trace-Id": f"Root=1-{W3C_TRACE[:8]}-{W3C_TRACE[8:]};Parent={W3C_SPAN};Sampled=1",
        }


def test_empty_fields_are_not_written() -> None:
    with current():
        assert inject_carrier().keys() == {"traceparent", "X-Amzn-Trace-Id"}


def test_nothing_is_written_without_a_context() -> None:
    assert inject_carrier() == {}


def test_what_is_written_is_read_as_the_same() -> None:
    for names in ("tracecontext,baggage,xray", "xray,baggage", "b3,baggage", "b3multi", "jaeger"):
        chosen = propagation(names)
        with current(entries={"user": "7"}):
            carrier = {key.lower(): value for key, value in chosen.inject().items()}
        extracted = chosen.extract((carrier,))
        assert (found(extracted), sampled(extracted)) == (W3C, True)
        assert baggage.get_all(extracted.context) == ({} if names == "b3multi" else {"user": "7"})
