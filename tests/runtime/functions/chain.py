"""Functions that hand work on: by HTTP, to a topic, to a queue."""

import json
import os
import urllib.request

import boto3

from lambda_otel import inject_eventbridge, inject_http, inject_sns, inject_sqs, span, traced_handler, traced_record

ATTRIBUTES = {"kind": {"DataType": "String", "StringValue": "order"}}


@traced_handler
def call(event, context):
    """Calls the next function by HTTP."""
    url = f"{os.environ['NEXT_URL']}/orders/{event['pathParameters']['id']}?step=2"
    with span("call"):
        request = urllib.request.Request(url, headers=inject_http({"Accept": "application/json"}))
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)


@traced_handler
def publish(event, context):
    """Publishes two orders, the second by the batch call."""
    sns = boto3.client("sns")
    topic = os.environ["TOPIC_ARN"]
    order = event["pathParameters"]["id"]
    sns.publish(**inject_sns(TopicArn=topic, Message=f"{order}-1", MessageAttributes=ATTRIBUTES))
    entries = [{"Id": "only", "Message": f"{order}-2", "MessageAttributes": ATTRIBUTES}]
    sns.publish_batch(**inject_sns(TopicArn=topic, PublishBatchRequestEntries=entries))
    return {"published": 2}


@traced_handler
def forward(event, context):
    """Sends each message on, alternately by the single and the batch call."""
    for number, record in enumerate(event["Records"]):
        send(record, number % 2 == 1)
    return {"forwarded": len(event["Records"])}


@traced_record
def send(record, in_batch):
    sqs = boto3.client("sqs")
    queue = os.environ["QUEUE_URL"]
    body = text_of(record["body"])
    if in_batch:
        sqs.send_message_batch(**inject_sqs(QueueUrl=queue, Entries=[{"Id": "only", "MessageBody": body}]))
    else:
        sqs.send_message(**inject_sqs(QueueUrl=queue, MessageBody=body, MessageAttributes=ATTRIBUTES))


def text_of(body):
    """The published text, with or without the envelope that SNS puts around it."""
    return json.loads(body)["Message"] if body.startswith("{") else body


@traced_handler
def finish(event, context):
    return {"finished": sorted(done(record) for record in event["Records"])}


@traced_record
def done(record):
    return record["body"]


@traced_handler
def finish_http(event, context):
    """The end of a chain of HTTP calls."""
    return {"id": event["pathParameters"]["id"], **event["queryStringParameters"]}


@traced_handler
def announce(event, context):
    """Puts an event on the bus for each message."""
    for record in event["Records"]:
        put(record)
    return {"announced": len(event["Records"])}


@traced_record
def put(record):
    detail = json.dumps({"order": text_of(record["body"])})
    entry = inject_eventbridge(Source="shop", DetailType="Ordered", Detail=detail)
    answer = boto3.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0


@traced_handler
def hear(event, context):
    """The end of the chain: an event of the bus."""
    return event["detail"]["order"]
