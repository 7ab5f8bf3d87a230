"""An HTTP API of API Gateway in front of a function, with payload format 2.0."""

from __future__ import annotations

import time
import uuid
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from runtime.environment import ACCOUNT
from runtime.lambda_service import Lambda
from runtime.network import LOOPBACK
from runtime.web import Reply, Request, serve_routes


class HttpApi:
    """Serves one route of a function on ``.endpoint``; a context manager.

    Args:
        function: Invoked for each request, one at a time.
        route: The path of the route with one parameter at its end, such as ``/orders/{id}``.
    """

    def __init__(self, function: Lambda, route: str) -> None:
        self._function = function
        self._route = route
        self.events: list[dict[str, Any]] = []
        """The events that the function got."""

    def __enter__(self) -> HttpApi:
        prefix = self._route.partition("{")[0]
        self._server = serve_routes([(method, f"{prefix}.+", self._serve) for method in ("GET", "POST", "PUT")])
        self.endpoint = f"http://{LOOPBACK}:{self._server.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _serve(self, request: Request) -> Reply:
        event = http_event(request, self._route)
        self.events.append(event)
        result = self._function.invoke(event)
        if result.kind != "response":
            return Reply.of_json(500, {"message": "Internal Server Error"})
        answer = result.json()
        if isinstance(answer, dict) and "statusCode" in answer:
            return Reply(int(answer["statusCode"]), str(answer.get("body", "")).encode(), answer.get("headers") or {})
        return Reply.of_json(200, answer)


def http_event(request: Request, route: str) -> dict[str, Any]:
    """A request as the event that a function gets.

    See https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html.
    """
    parts = urlsplit(request.path)
    prefix, _, parameter = route.partition("{")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{request.method} {route}",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {
            **request.headers,
            "x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
            "x-forwarded-for": LOOPBACK,
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "api-id",
            "domainName": "api-id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "api-id",
            "http": {
                "method": request.method,
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": LOOPBACK,
                "userAgent": request.headers.get("user-agent", ""),
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"{request.method} {route}",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
            "timeEpoch": int(time.time() * 1000),
        },
        "pathParameters": {parameter.rstrip("}"): parts.path.removeprefix(prefix)},
        "isBase64Encoded": False,
    }
    if parts.query:
        pairs: dict[str, list[str]] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            pairs.setdefault(name, []).append(value)
        event["queryStringParameters"] = {name: ",".join(values) for name, values in pairs.items()}
    if request.body:
        event["body"] = request.body.decode()
    return event
