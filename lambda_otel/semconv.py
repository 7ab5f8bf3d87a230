"""Every attribute key and value of the semantic conventions that this library emits, and the one schema URL.

Literals instead of imports: most of these keys live in a private, moving module of the semantic-conventions package. A test compares
each of them with the installed package.

Source: https://opentelemetry.io/docs/specs/semconv/ (version 1.44.0).
"""

from __future__ import annotations

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

AWS_KINESIS_STREAM_NAME = "aws.kinesis.stream_name"
AWS_LAMBDA_INVOKED_ARN = "aws.lambda.invoked_arn"
AWS_LOG_GROUP_NAMES = "aws.log.group.names"
AWS_LOG_STREAM_NAMES = "aws.log.stream.names"
AWS_SNS_TOPIC_ARN = "aws.sns.topic.arn"
AWS_SQS_QUEUE_URL = "aws.sqs.queue.url"

CLIENT_ADDRESS = "client.address"

CLOUD_ACCOUNT_ID = "cloud.account.id"
CLOUD_PLATFORM = "cloud.platform"
CLOUD_PROVIDER = "cloud.provider"
CLOUD_REGION = "cloud.region"
CLOUD_RESOURCE_ID = "cloud.resource_id"

CODE_FUNCTION_NAME = "code.function.name"

ERROR_TYPE = "error.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
EXCEPTION_TYPE = "exception.type"

FAAS_COLDSTART = "faas.coldstart"
FAAS_DOCUMENT_COLLECTION = "faas.document.collection"
FAAS_DOCUMENT_NAME = "faas.document.name"
FAAS_DOCUMENT_OPERATION = "faas.document.operation"
FAAS_DOCUMENT_TIME = "faas.document.time"
FAAS_INSTANCE = "faas.instance"
FAAS_INVOCATION_ID = "faas.invocation_id"
FAAS_MAX_MEMORY = "faas.max_memory"
FAAS_NAME = "faas.name"
FAAS_TIME = "faas.time"
FAAS_TRIGGER = "faas.trigger"
FAAS_VERSION = "faas.version"

GRAPHQL_OPERATION_TYPE = "graphql.operation.type"

HTTP_REQUEST_HEADER = "http.request.header"
HTTP_REQUEST_METHOD = "http.request.method"
HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original"
HTTP_RESPONSE_HEADER = "http.response.header"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
HTTP_ROUTE = "http.route"

MESSAGING_BATCH_MESSAGE_COUNT = "messaging.batch.message_count"
MESSAGING_DESTINATION_NAME = "messaging.destination.name"
MESSAGING_DESTINATION_PARTITION_ID = "messaging.destination.partition.id"
MESSAGING_KAFKA_MESSAGE_KEY = "messaging.kafka.message.key"
MESSAGING_KAFKA_MESSAGE_TOMBSTONE = "messaging.kafka.message.tombstone"
MESSAGING_KAFKA_OFFSET = "messaging.kafka.offset"
MESSAGING_MESSAGE_CONVERSATION_ID = "messaging.message.conversation_id"
MESSAGING_MESSAGE_ID = "messaging.message.id"
MESSAGING_OPERATION_NAME = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_SYSTEM = "messaging.system"

NETWORK_PROTOCOL_VERSION = "network.protocol.version"

SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"

SERVICE_NAME = "service.name"

TELEMETRY_DISTRO_NAME = "telemetry.distro.name"
TELEMETRY_DISTRO_VERSION = "telemetry.distro.version"
TELEMETRY_SDK_LANGUAGE = "telemetry.sdk.language"
TELEMETRY_SDK_NAME = "telemetry.sdk.name"
TELEMETRY_SDK_VERSION = "telemetry.sdk.version"

URL_PATH = "url.path"
URL_QUERY = "url.query"
URL_SCHEME = "url.scheme"

USER_AGENT_ORIGINAL = "user_agent.original"

# Well-known values.
CLOUD_PLATFORM_AWS_LAMBDA = "aws_lambda"
CLOUD_PROVIDER_AWS = "aws"
HTTP_METHOD_OTHER = "_OTHER"
MESSAGING_OPERATION_PROCESS = "process"
SYSTEM_ACTIVEMQ = "activemq"
SYSTEM_KAFKA = "kafka"
SYSTEM_RABBITMQ = "rabbitmq"
SYSTEM_SNS = "aws.sns"
SYSTEM_SQS = "aws_sqs"
TRIGGER_DATASOURCE = "datasource"
TRIGGER_HTTP = "http"
TRIGGER_OTHER = "other"
TRIGGER_PUBSUB = "pubsub"
TRIGGER_TIMER = "timer"

# Systems without a well-known value, named after the pattern of `aws.sns`; the conventions allow custom values.
SYSTEM_EVENTBRIDGE = "aws.eventbridge"
SYSTEM_KINESIS = "aws.kinesis"

# Keys of our own, for what no convention names.
BATCH_FAILURE_COUNT = "lambda_otel.batch.failure_count"
ERROR_TYPE_BATCH_FAILED = "batch_item_failures"
ERROR_TYPE_TIMEOUT = "timeout"
LINKS_LEFT_OUT = "lambda_otel.links.left_out"
