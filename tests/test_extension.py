"""An internal extension against an Extensions API over real connections."""

from __future__ import annotations

import http.client
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from runtime.network import LOOPBACK, reserved_port
from runtime.runtime_api import Invocation, RuntimeApi
from runtime.web import Reply, serve_routes

from lambda_otel.extension import Extension

LATE = 5.0  # seconds after which a busy machine is no excuse
Logged = Callable[[], list[str]]


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lambda_otel-extension"]


class Served:
    """A Runtime API, an extension that has registered there, and what it flushed: the seconds it was given."""

    def __init__(self) -> None:
        self.api = RuntimeApi(function={})
        self.flushed: queue.Queue[float] = queue.Queue()
        self.extension = Extension(self.api.address, self.flush)
        self.wait_until_ready()

    def flush(self, remaining: float) -> None:
        self.flushed.put(remaining)

    def invoke(self, timeout: float = 3.0) -> str:
        """Sends an event; the request id."""
        request_id = str(uuid.uuid4())
        self.api.send(Invocation(request_id, b"{}", "arn", int((time.time() + timeout) * 1000)))
        return request_id

    @property
    def is_ready(self) -> bool:
        with self.api.changed:
            return self.api.extensions.are_ready

    def wait_until_ready(self) -> float:
        """Until Lambda would freeze the environment; the seconds."""
        begin = time.monotonic()
        assert self.api.wait_for(lambda: self.api.extensions.are_ready, LATE)
        return time.monotonic() - begin


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.api.close()
    for thread in threads():
        thread.join(LATE)
    assert threads() == []


def test_it_registers_for_invocations(served: Served) -> None:
    assert served.api.extensions.names == ["lambda_otel"]


def test_it_flushes_after_the_end_and_only_then_is_ready(served: Served) -> None:
    request_id = served.invoke(timeout=3.0)
    served.extension.began(request_id)
    time.sleep(0.3)  # longer than a handler may take to begin
    assert not served.is_ready and served.flushed.empty()
    assert served.extension.ended(request_id)
    assert 2.0 < served.flushed.get(timeout=LATE) < 2.71
    served.wait_until_ready()


def test_an_end_that_comes_before_the_event_is_not_missed(served: Served) -> None:
    request_id = str(uuid.uuid4())
    served.extension.began(request_id)
    assert served.extension.ended(request_id)
    assert served.flushed.empty()
    served.api.send(Invocation(request_id, b"{}", "arn", int((time.time() + 3) * 1000)))
    served.flushed.get(timeout=LATE)
    assert served.wait_until_ready() < 0.2


def test_it_serves_one_invocation_after_the_other(served: Served) -> None:
    for _ in range(20):
        request_id = served.invoke()
        served.extension.began(request_id)
        assert served.extension.ended(request_id)
        served.flushed.get(timeout=LATE)
        served.wait_until_ready()
    assert len(threads()) == 1


def test_an_invocation_that_is_not_traced_does_not_keep_the_environment_awake(served: Served) -> None:
    request_id = served.invoke(timeout=60)
    assert served.wait_until_ready() < 1.0
    assert served.flushed.empty()
    served.extension.began(request_id)
    assert not served.extension.ended(request_id), "nobody waits any more: somebody else has to send"


def test_a_handler_that_never_ends_does_not_make_it_miss_the_deadline(served: Served) -> None:
    request_id = served.invoke(timeout=0.6)
    served.extension.began(request_id)
    assert 0.2 < served.wait_until_ready() < 0.6
    assert served.flushed.empty()
    assert not served.extension.ended(request_id)


def test_an_event_that_comes_after_its_deadline(served: Served) -> None:
    served.extension.began(served.invoke(timeout=-1))
    assert served.wait_until_ready() < 0.3


def test_what_ends_once_more_is_not_its_business(served: Served) -> None:
    request_id = served.invoke()
    assert served.extension.ended(request_id)
    served.flushed.get(timeout=LATE)
    assert not served.extension.ended(request_id)


def test_an_invocation_without_an_id_is_not_its_business(served: Served) -> None:
    served.extension.began(None)
    assert not served.extension.ended(None)
    assert not served.extension.ended("")


def test_the_end_of_another_invocation_is_not_taken_for_this_one(served: Served) -> None:
    request_id = served.invoke()
    served.extension.began(request_id)
    served.extension.ended(str(uuid.uuid4()))
    time.sleep(0.1)
    assert served.flushed.empty() and not served.is_ready
    assert served.extension.ended(request_id)
    served.flushed.get(timeout=LATE)


def test_a_flush_that_fails_is_said_once_and_the_next_one_works(served: Served, logged: Logged) -> None:
    def fail(remaining: float) -> None:
        served.flushed.put(remaining)
        raise ValueError("broken")

    served.extension._flush = fail
    for _ in range(2):
        assert served.extension.ended(served.invoke())
        served.flushed.get(timeout=LATE)
        served.wait_until_ready()
    assert logged() == ["spans not sent: ValueError: broken"]


def test_waiting_for_an_event_knows_no_time_out() -> None:
    socket.setdefaulttimeout(0.1)
    try:
        served = Served()
        time.sleep(0.4)
    finally:
        socket.setdefaulttimeout(None)
    assert served.extension.ended(served.invoke())
    served.flushed.get(timeout=LATE)
    served.api.close()
    for thread in threads():
        thread.join(LATE)


def test_once_it_has_failed_somebody_else_has_to_send(served: Served, logged: Logged) -> None:
    (thread,) = threads()
    served.api._server.drop_connections(timeout=0.0)
    thread.join(LATE)
    assert not served.extension.ended(served.invoke())
    (line,) = logged()
    assert line.startswith("spans are sent before the answer from now on, the extension failed: ")


def test_a_refused_registration_says_why() -> None:
    api = RuntimeApi(function={}, refuse_extensions=True)
    with pytest.raises(OSError, match="403 Extension\\.RegistrationClosed"):
        Extension(api.address, lambda remaining: None)
    api.close()
    assert threads() == []


def test_a_registration_that_nobody_answers() -> None:
    with reserved_port() as port, pytest.raises(OSError, match="refused"):
        Extension(f"{LOOPBACK}:{port}", lambda remaining: None)


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"{}"])
def test_a_refusal_without_a_reason(body: bytes) -> None:
    server = serve_routes([("POST", ".*", lambda request: Reply(500, body))])
    with pytest.raises(OSError, match="answered with 500"):
        Extension(f"{LOOPBACK}:{server.port}", lambda remaining: None)
    server.stop()


def test_a_registration_that_hangs_is_given_up() -> None:
    with socket.create_server((LOOPBACK, 0)) as server, pytest.raises((OSError, http.client.HTTPException)):
        Extension(f"{LOOPBACK}:{server.getsockname()[1]}", lambda remaining: None)
