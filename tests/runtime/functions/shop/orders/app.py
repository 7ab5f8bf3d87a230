"""A handler inside a package, which Lambda is told as a path with slashes."""

from lambda_otel import span, traced_handler


@traced_handler
def handler(event, context):
    return price(event["quantity"])


@span
def price(quantity):
    return quantity * 3
