"""Fetches the weather forecast of a city over HTTP and saves the answer as a file in S3."""

import json
import os

import boto3
import requests
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor

from lambda_otel import inject_http, span, traced_handler

RequestsInstrumentor().instrument()
BotocoreInstrumentor().instrument()

s3 = boto3.client("s3")


@traced_handler
def handler(event, context):
    city = event["pathParameters"]["city"]
    key = save(city, fetch(city))
    return {"statusCode": 201, "headers": {"content-type": "application/json"}, "body": json.dumps({"key": key})}


@span(capture=["city"])
def fetch(city):
    # An instrumented client replaces this context by that of its own span. With any other client, this is what makes
    # the endpoint part of the trace.
    answer = requests.get(os.environ["FORECAST_URL"], params={"city": city}, headers=inject_http(), timeout=3)
    answer.raise_for_status()
    return answer.content


@span
def save(city, forecast):
    key = f"forecasts/{city}.json"
    s3.put_object(Bucket=os.environ["BUCKET"], Key=key, Body=forecast, ContentType="application/json")
    return key
