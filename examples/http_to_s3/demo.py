"""Runs the function on this machine, against a local HTTP endpoint and a local S3, and prints its trace.

The exit status is 0 only if the function answered, its file is in S3 and the endpoint was called as part of the trace.
"""

import logging
import os
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
from moto.server import ThreadedMotoServer
from opentelemetry.trace import format_span_id, format_trace_id

from lambda_otel.cli import main
from lambda_otel.invoke import collect_spans

EVENT = Path(__file__).with_name("event.json")
BUCKET = "forecasts-demo"


@contextmanager
def local_endpoint():
    """An HTTP endpoint: its URL, and a list to which it adds the headers of each request."""
    received = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self):
            received.append(self.headers)
            body = b'{"celsius": 21}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Says nothing: the output is the trace."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/forecast", received
        finally:
            server.shutdown()


@contextmanager
def local_s3():
    """An S3 in memory: its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def set_environment(endpoint_url, s3_url):
    """The variables that template.yaml sets, and those that keep boto3 on this machine."""
    os.environ |= {
        "BUCKET": BUCKET,
        "FORECAST_URL": endpoint_url,
        "OTEL_SERVICE_NAME": "forecasts",
        "OTEL_PROPAGATORS": "tracecontext,baggage,xray",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": s3_url,
        "no_proxy": "127.0.0.1",
    }
    os.environ.pop("AWS_PROFILE", None)


def caller(traceparent, spans):
    """The span that a `traceparent` names; None when it is none of these, or these are not one trace."""
    _, trace_id, span_id, _ = traceparent.split("-")
    by_id = {format_span_id(span.get_span_context().span_id): span for span in spans}
    traces = {format_trace_id(span.get_span_context().trace_id) for span in spans}
    return by_id.get(span_id) if traces == {trace_id} else None


def demo():
    with local_endpoint() as (endpoint_url, received), local_s3() as s3_url:
        set_environment(endpoint_url, s3_url)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)

        collector = collect_spans()
        status = main(["invoke", "app.handler", str(EVENT)])
        spans = collector.take()
        if status != 0:
            return status

        print("S3 holds", *(file["Key"] for file in s3.list_objects_v2(Bucket=BUCKET)["Contents"]))
        traceparent = received[0].get("traceparent", "---")
        span = caller(traceparent, spans)
        if span is None:
            print(f"The endpoint received traceparent {traceparent}, which is not of this trace.")
            return 1
        print(f"The endpoint received traceparent {traceparent}: the span {span.name} of this trace.")
        return 0


if __name__ == "__main__":
    sys.exit(demo())
