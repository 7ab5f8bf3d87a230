"""Requests over real sockets: every mood of a peer, one deadline."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from runtime.network import LOOPBACK, black_hole, refused_endpoint
from runtime.sink import Sink
from runtime.tls import Certificates
from runtime.web import LoopbackServer

from lambda_otel.transport import Client, Connection, StaleConnectionError, TransportError, UnansweredError

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
SHORT = 0.3  # seconds of a deadline that is meant to pass
LATE = 5.0  # seconds after which something that should take SHORT has missed it, also on a busy machine


def soon() -> float:
    """A deadline that nothing which works will miss."""
    return time.monotonic() + 20


def shortly() -> float:
    return time.monotonic() + SHORT


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


@contextmanager
def connected(url: str, **files: Any) -> Iterator[Connection]:
    """A connection that is closed at the end."""
    connection = Connection(Client(url, **files), soon())
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that does this with each connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            behave(self.request)

    server = LoopbackServer(Handler)
    server.start()
    try:
        yield f"http://{LOOPBACK}:{server.port}"
    finally:
        server.stop()


def read_request(sock: socket.socket) -> bytes:
    """One request whose body is as long as it says; empty at the end of the stream."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := sock.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(*answers: bytes, piece: int = 65536, pause: float = 0.0) -> Callable[[socket.socket], None]:
    """Answers one request after the other with these bytes, in pieces; closes after the last."""

    def behave(sock: socket.socket) -> None:
        for answer in answers:
            if not read_request(sock):
                return
            for start in range(0, len(answer), piece):
                sock.sendall(answer[start : start + piece])
                time.sleep(pause)

    return behave


def resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Has every name mean these addresses, in this order."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **options: [found for address in hosts for found in resolve(address, port, **options)]
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_request_says_what_the_target_says() -> None:
    with Sink() as sink, connected(sink.endpoint + "/v1/traces?tenant=a%20b", headers={"api-key": "caf\xe9", "x": "1"}) as connection:
        assert connection.post(b"body", soon()).status == 200
    (request,) = sink.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/traces?tenant=a%20b", b"body")
    assert request.headers == {
        "host": sink.endpoint.removeprefix("http://"),
        "api-key": "caf\xe9",
        "x": "1",
        "content-length": "4",
    }


def test_a_url_without_a_path_asks_for_the_root() -> None:
    with Sink() as sink, connected(sink.endpoint) as connection:
        connection.post(b"", soon())
    assert sink.requests[0].path == "/"


def test_a_host_header_of_the_user_is_the_only_one() -> None:
    requests: list[bytes] = []

    def behave(sock: socket.socket) -> None:
        requests.append(read_request(sock))
        sock.sendall(NO_CONTENT)

    with peer(behave) as url, connected(url, headers={"host": "internal"}) as connection:
        connection.post(b"", soon())
    assert requests == [b"POST / HTTP/1.1\r\nhost: internal\r\ncontent-length: 0\r\n\r\n"]


def test_credentials_of_the_url_stay_out_of_the_host_header() -> None:
    assert b"secret" not in Client("http://user:secret@collector:4318/").request(b"")


def test_the_port_is_that_of_the_scheme_unless_said() -> None:
    assert Client("http://collector").port == 80
    assert Client("https://collector").port == 443
    assert Client("https://collector:4318").port == 4318


def test_one_connection_serves_many_requests() -> None:
    with Sink() as sink, connected(sink.endpoint) as connection:
        for number in range(20):
            assert connection.usable
            assert connection.post(b"%d" % number, soon()).status == 200
        assert [request.body for request in sink.requests] == [b"%d" % number for number in range(20)]
        assert sink.connections == 1


def test_a_body_of_many_packets_arrives_whole() -> None:
    body = os.urandom(5_000_000)
    with Sink() as sink, connected(sink.endpoint) as connection:
        connection.post(body, soon())
    assert sink.requests[0].body == body


def test_a_connection_that_the_peer_has_closed_is_not_usable() -> None:
    with Sink() as sink, connected(sink.endpoint) as connection:
        connection.post(b"", soon())
        assert connection.usable
        sink.drop_connections()
        until(lambda: not connection.usable)


@pytest.mark.parametrize("last_words", [b"HTTP/1.1 204 \r\nConnection: close\r\n\r\n", b"HTTP/1.0 204 \r\n\r\n", NO_CONTENT + b"more"])
def test_a_connection_is_not_used_after_an_answer_that_ends_it(last_words: bytes) -> None:
    with peer(answering(last_words, NO_CONTENT)) as url, connected(url) as connection:
        assert connection.post(b"", soon()).status == 204
        until(lambda: not connection.usable)


def test_a_connection_that_was_silent_for_too_long_is_not_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink() as sink, connected(sink.endpoint) as connection:
        connection.post(b"", soon())
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 3600)
        assert not connection.usable
        monkeypatch.setattr(time, "time", lambda: now - 3600)
        assert not connection.usable
        monkeypatch.setattr(time, "time", lambda: now + 1)
        assert connection.usable


def test_file_descriptors_above_1024_work() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] != resource.RLIM_INFINITY and limits[1] < 1200:
        pytest.skip("this machine allows too few open files")
    with Sink() as sink, ExitStack() as stack, connected(sink.endpoint) as connection:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1200, limits[1]))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        low = connection._socket
        assert low is not None
        connection._socket = socket.socket(fileno=fcntl.fcntl(low.fileno(), fcntl.F_DUPFD, 1100))
        low.close()
        assert connection.post(b"", soon()).status == 200
        assert connection.usable


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"
ANNOUNCED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SIZED


@pytest.mark.parametrize("piece", [1, 7, 65536])
@pytest.mark.parametrize("answer", [CHUNKED, SIZED, ANNOUNCED], ids=["chunked", "sized", "announced"])
def test_an_answer_in_any_form_and_any_pieces_keeps_the_connection(answer: bytes, piece: int) -> None:
    with peer(answering(answer, NO_CONTENT, piece=piece, pause=0.0005)) as url, connected(url) as connection:
        first = connection.post(b"one", soon())
        assert (first.status, first.body) == (200, b"abcde")
        assert connection.usable
        assert connection.post(b"two", soon()).status == 204


def test_an_answer_that_ends_with_the_connection_is_read_to_the_end() -> None:
    with peer(answering(b"HTTP/1.1 200 OK\r\n\r\nabc", piece=5)) as url, connected(url) as connection:
        assert connection.post(b"", soon()).body == b"abc"
        assert not connection.usable


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"SSH-2.0-OpenSSH_9.7\r\n", "the answer is not HTTP/1.x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "the answer is incomplete"),
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000, "the answer is too long"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 60_000, "the answer is too long"),
    ],
    ids=["ssh", "incomplete", "nothing", "too-long", "endless-announcements"],
)
def test_an_answer_that_is_none_fails_the_request_and_ends_the_connection(answer: bytes, fault: str) -> None:
    with peer(answering(answer)) as url, connected(url) as connection:
        with pytest.raises(TransportError, match=fault) as caught:
            connection.post(b"", soon())
        assert not isinstance(caught.value, StaleConnectionError)
        assert not connection.usable
        with pytest.raises(TransportError, match="the connection is closed"):
            connection.post(b"", soon())


@pytest.mark.parametrize("mode", ["reset", "close"])
def test_a_peer_that_hangs_up_fails_the_request(mode: Any) -> None:
    with Sink(mode) as sink, connected(sink.endpoint) as connection, pytest.raises(TransportError) as caught:
        connection.post(b"", soon())
    assert not isinstance(caught.value, StaleConnectionError)


@pytest.mark.parametrize("mode", ["reset", "close"])
def test_a_kept_connection_that_the_peer_has_given_up_is_stale(mode: Any) -> None:
    with Sink() as sink, connected(sink.endpoint) as connection:
        connection.post(b"", soon())
        sink.mode = mode
        with pytest.raises(StaleConnectionError):
            connection.post(b"", soon())


def test_a_kept_connection_that_fails_in_the_middle_of_an_answer_is_not_stale() -> None:
    with peer(answering(NO_CONTENT, b"HTTP/1.1 2")) as url, connected(url) as connection:
        connection.post(b"", soon())
        with pytest.raises(TransportError, match="incomplete") as caught:
            connection.post(b"", soon())
        assert not isinstance(caught.value, StaleConnectionError)


def test_a_refused_connection_fails_at_once() -> None:
    with refused_endpoint() as url, within(LATE), pytest.raises(TransportError, match="refused"):
        Connection(Client(url), soon())


def test_connecting_into_a_black_hole_ends_with_the_deadline() -> None:
    with black_hole() as url, within(LATE), pytest.raises(TransportError, match="timed out"):
        Connection(Client(url), shortly())


def test_a_deadline_in_the_past_connects_nowhere() -> None:
    with Sink() as sink:
        with pytest.raises(TransportError, match="timed out"):
            Connection(Client(sink.endpoint), time.monotonic() - 1)
        assert sink.connections == 0


def test_a_peer_that_reads_nothing_holds_the_request_until_the_deadline() -> None:
    released = threading.Event()
    with peer(lambda sock: released.wait(30) and None) as url, connected(url) as connection:
        with within(LATE), pytest.raises(TransportError, match="timed out"):
            connection.post(bytes(100_000_000), shortly())
        released.set()


def test_a_peer_that_never_answers_leaves_the_answer_out() -> None:
    with Sink("hang") as sink, connected(sink.endpoint) as connection:
        with within(LATE), pytest.raises(UnansweredError) as caught:
            connection.post(b"", shortly())
        assert caught.value.connection is connection
        with pytest.raises(UnansweredError):
            connection.answer(time.monotonic())


def test_an_answer_in_drips_that_comes_in_time_is_read() -> None:
    with Sink("drip", drip_interval=0.005) as sink, connected(sink.endpoint) as connection:
        assert connection.post(b"", soon()).status == 200


def test_an_answer_in_drips_does_not_move_the_deadline() -> None:
    with Sink("drip", drip_interval=0.05) as sink, connected(sink.endpoint) as connection, within(LATE), pytest.raises(UnansweredError):
        connection.post(b"", shortly())


def test_an_answer_that_comes_late_is_read_later() -> None:
    with Sink("slow", delay=SHORT * 2) as sink, connected(sink.endpoint) as connection:
        with pytest.raises(UnansweredError):
            connection.post(b"one", shortly())
        assert connection.answer(soon()).status == 200
        sink.mode = "ok"
        assert connection.post(b"two", soon()).status == 200
        assert sink.connections == 1


def test_an_answer_that_has_arrived_is_read_without_waiting() -> None:
    sent = threading.Event()

    def behave(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(SIZED[:20])
        time.sleep(SHORT * 2)
        sock.sendall(SIZED[20:])
        sent.set()
        read_request(sock)

    with peer(behave) as url, connected(url) as connection:
        with pytest.raises(UnansweredError):
            connection.post(b"", shortly())
        assert sent.wait(10)
        until(lambda: not connection.usable)  # it has arrived
        assert connection.answer(time.monotonic() - 60).body == b"abcde"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.create(tmp_path_factory.mktemp("certificates"))


def test_tls_with_an_authority_of_our_own_keeps_its_connection(certificates: Certificates) -> None:
    with Sink(tls=certificates) as sink, connected(sink.endpoint, certificate=str(certificates.authority)) as connection:
        for _ in range(5):
            assert connection.post(b"body", soon()).status == 200
            assert connection.usable
        assert sink.connections == 1
        sink.drop_connections()
        until(lambda: not connection.usable)


def test_tls_checks_the_name_of_the_server(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, LOOPBACK)
    authority = str(certificates.authority)
    with Sink(tls=certificates) as sink:
        with connected(sink.endpoint.replace(LOOPBACK, "localhost"), certificate=authority) as connection:
            assert connection.post(b"", soon()).status == 200
        with pytest.raises(TransportError, match=r"(?i)certificate"):
            Connection(Client(sink.endpoint.replace(LOOPBACK, "collector.example"), certificate=authority), soon())


def test_tls_refuses_a_server_of_another_authority(certificates: Certificates, tmp_path: Path) -> None:
    other = Certificates.create(tmp_path)
    with Sink(tls=certificates) as sink:
        for authority in (str(other.authority), None):
            with pytest.raises(TransportError, match=r"(?i)certificate"):
                Connection(Client(sink.endpoint, certificate=authority), soon())
        assert sink.requests == []


def test_tls_shows_the_certificate_of_the_client(certificates: Certificates) -> None:
    authority = str(certificates.authority)
    with Sink(tls=certificates, require_client_certificate=True) as sink:
        shown = {"client_certificate": str(certificates.client), "client_key": str(certificates.client_key)}
        with connected(sink.endpoint, certificate=authority, **shown) as connection:
            assert connection.post(b"", soon()).status == 200
        with pytest.raises(TransportError), connected(sink.endpoint, certificate=authority) as connection:
            connection.post(b"", soon())
        assert len(sink.requests) == 1


def test_a_tls_handshake_that_hangs_ends_with_the_deadline(certificates: Certificates) -> None:
    released = threading.Event()
    with peer(lambda sock: released.wait(30) and None) as url:
        client = Client(url.replace("http:", "https:"), certificate=str(certificates.authority))
        with within(LATE), pytest.raises(TransportError, match="timed out"):
            Connection(client, shortly())
        released.set()


def test_tls_to_a_server_without_it_fails(certificates: Certificates) -> None:
    with peer(answering(NO_CONTENT)) as url, pytest.raises(TransportError):
        Connection(Client(url.replace("http:", "https:"), certificate=str(certificates.authority)), shortly())


@pytest.mark.parametrize("wrong", ["certificate", "client_certificate", "client_key"])
def test_a_certificate_that_cannot_be_read_is_an_error_at_once(wrong: str, certificates: Certificates, tmp_path: Path) -> None:
    files = {
        "certificate": str(certificates.authority),
        "client_certificate": str(certificates.client),
        "client_key": str(certificates.client_key),
    }
    for bad in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        with pytest.raises(OSError):
            Client("https://localhost", **{**files, wrong: str(bad)})
        (tmp_path / "empty.pem").touch()
    Client("http://localhost", **{**files, wrong: "unused"})


def test_an_ipv6_address_is_a_host() -> None:
    with closing(socket.socket(socket.AF_INET6)) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        listener.listen()
        port = listener.getsockname()[1]
        with connected(f"http://[::1]:{port}/v1/traces") as connection, listener.accept()[0] as sock:
            sock.sendall(NO_CONTENT)
            assert connection.post(b"", soon()).status == 204
            assert f"host: [::1]:{port}\r\n".encode() in read_request(sock)


@pytest.mark.parametrize("name", ["localhost", "collector.example"])
def test_each_address_of_a_host_is_tried(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "127.0.0.2", "::1", LOOPBACK)  # the first two refuse
    with Sink() as sink, connected(sink.endpoint.replace(LOOPBACK, name)) as connection:
        assert connection.post(b"", soon()).status == 200


def test_a_host_without_an_address_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch)
    with pytest.raises(TransportError, match="no address"):
        Connection(Client("http://collector.example"), soon())


def test_a_host_that_is_unknown_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for name in ("collector.example", "localhost"):
        with pytest.raises(TransportError, match="Name or service not known"):
            Connection(Client(f"http://{name}"), soon())


def test_a_name_that_no_host_can_have_fails() -> None:
    with pytest.raises(TransportError):
        Connection(Client(f"http://{'x' * 64}.example"), soon())


def test_resolving_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: resolved.wait(30) and [])
    with within(LATE), pytest.raises(TransportError, match="timed out resolving the host"):
        Connection(Client("http://collector.example"), shortly())
    resolved.set()


def test_a_process_without_room_for_a_thread_fails_to_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(TransportError, match="can't start new thread"):
        Connection(Client("http://collector.example"), soon())
