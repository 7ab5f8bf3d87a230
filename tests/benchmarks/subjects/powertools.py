"""The Tracer of Powertools for AWS Lambda, which sends X-Ray segments as datagrams to the daemon."""

import function
from aws_lambda_powertools import Tracer

tracer = Tracer(service="benchmark")


@tracer.capture_method
def inner():
    return function.work()


@tracer.capture_lambda_handler
def handler(event, context):
    return function.serve(event, inner)
