"""OpenTelemetry's Lambda layer: what its wrapper does once its start script has started the process."""

from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor

AwsLambdaInstrumentor().instrument()  # wraps the function that ORIG_HANDLER names

from layer_function import handler  # noqa: E402, F401
