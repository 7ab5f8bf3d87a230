"""A handler that hands work to a forked process, as multiprocessing does."""

import os

from opentelemetry.trace import format_span_id, get_current_span

from lambda_otel import flush, span, traced_handler


@span
def work():
    return format_span_id(get_current_span().get_span_context().span_id)


@traced_handler
def handler(event, context):
    work()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = work()
        if event["flush"]:
            answer += f" {flush(2.0)}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    answer = os.read(reader, 100).decode()
    os.close(reader)
    os.waitpid(child, 0)
    return {"child": answer, "parent": work()}
