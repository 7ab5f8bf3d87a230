"""What Lambda does between an SQS queue and a function: it receives messages, invokes and deletes what succeeded."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.environment import REGION
from runtime.lambda_service import Lambda, Result


class EventSourceMapping:
    """Polls a queue for a function.

    Args:
        sqs: A boto3 client.
        queue_url: The queue.
        function: What gets its messages.
        batch_size: The most messages of one event, at most 10.
    """

    def __init__(self, sqs: Any, queue_url: str, function: Lambda, batch_size: int = 10) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._function = function
        self._batch_size = batch_size
        self.arn = queue_arn(sqs, queue_url)

    def deliver(self, *, trace_id: str | None = None) -> tuple[dict[str, Any], Result]:
        """Invokes the function with the messages that are there; returns the event and how it ended.

        Args:
            trace_id: X-Ray header of the invocation.

        Raises:
            LookupError: The queue is empty.
        """
        received = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=self._batch_size,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        messages = received.get("Messages")
        if not messages:
            raise LookupError(f"no message in {self._queue_url}")
        event = sqs_event(messages, self.arn)
        result = self._function.invoke(event, trace_id=trace_id)
        self.settle(messages, result)
        return event, result

    def settle(self, messages: Sequence[Mapping[str, Any]], result: Result) -> None:
        """Deletes what succeeded: nothing after an error, all but the failed ones after a partial failure."""
        if result.kind != "response":
            return
        answer = result.json()
        failures = answer.get("batchItemFailures", ()) if isinstance(answer, dict) else ()
        failed = {failure["itemIdentifier"] for failure in failures}
        for message in messages:
            if message["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])


def queue_arn(sqs: Any, queue_url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def sqs_event(messages: Sequence[Mapping[str, Any]], arn: str) -> dict[str, Any]:
    """Received messages as the event that a function gets.

    Names change their case on the way: ``StringValue`` of the API is ``stringValue`` in the event, while the names of
    system attributes stay. See https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html.
    """
    return {"Records": [_record(message, arn) for message in messages]}


def _record(message: Mapping[str, Any], arn: str) -> dict[str, Any]:
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message["Attributes"]),
        "messageAttributes": {name: _attribute(attribute) for name, attribute in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(attribute: Mapping[str, Any]) -> dict[str, Any]:
    event_form: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": attribute["DataType"]}
    if "StringValue" in attribute:
        event_form["stringValue"] = attribute["StringValue"]
    if "BinaryValue" in attribute:
        event_form["binaryValue"] = base64.b64encode(attribute["BinaryValue"]).decode()
    return event_form
