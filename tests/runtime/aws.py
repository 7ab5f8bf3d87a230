"""AWS services on the loopback interface: moto's server, with boto3 clients that talk to it over HTTP."""

from __future__ import annotations

import urllib.request
from contextlib import ExitStack, closing
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from runtime.environment import REGION
from runtime.network import LOOPBACK


class LocalAws:
    """SQS, SNS, S3 and all else that moto imitates, on ``.endpoint``; a context manager.

    Its state is that of the process: a second instance sees the queues of the first until ``reset``. It is more
    patient than AWS: it takes eleven message attributes where AWS takes ten, and drops the system attributes of
    ``SendMessageBatch``.
    """

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(LOOPBACK, 0, verbose=False)
        self._clients = ExitStack()
        self.endpoint = ""

    def __enter__(self) -> LocalAws:
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.reset()
        self._clients.close()
        self._server.stop()

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that send the boto3 clients of a function here."""
        return {"AWS_ENDPOINT_URL": self.endpoint}

    def client(self, service: str) -> Any:
        """A boto3 client, closed at the end of the block."""
        # A session of its own: what a test does to boto3's default session stays out.
        client = boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        return self._clients.enter_context(closing(client))

    def reset(self) -> None:
        """Forgets every queue, topic and bucket."""
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=10).close()
