"""The Tracer of Powertools for AWS Lambda, which sends X-Ray segments as datagrams to the daemon."""

import os

import function
from aws_lambda_powertools import Tracer

os.environ.setdefault("_X_AMZN_TRACE_ID", "Root=1-5b8aa5a2-d2c872e8321cf37308d69df2;Parent=051581bf3cb55c13;Sampled=1")
tracer = Tracer(service="benchmark")


@tracer.capture_method
def inner():
    return function.work()


@tracer.capture_lambda_handler
def handler(event, context):
    return function.serve(event, inner)
