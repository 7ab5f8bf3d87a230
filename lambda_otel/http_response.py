"""HTTP/1.1 responses, parsed from the bytes as they come.

Source: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass

_LONGEST = 1 << 20
_STATUS_LINE = re.compile(rb"HTTP/1\.(\d) ([1-9]\d\d)(?!\d)")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;|$)")
_LENGTH = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """A response.

    Attributes:
        status: From 200 on; those that only announce another are skipped.
        headers: Names in lower case.
        body: Without the framing of chunks.
        keeps: True when the connection can take another request.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    keeps: bool


class Parser:
    """Parses one response out of pieces of any size, each byte looked at once."""

    def __init__(self) -> None:
        self.unread = bytearray()
        self._taken = 0
        self._ended = False
        self._steps = self._response()

    def feed(self, data: bytes) -> Answer | None:
        """Takes the next bytes, none at the end of the stream; what follows the response stays in `unread`.

        Returns:
            None while the response is incomplete.

        Raises:
            ValueError: This is not an HTTP/1.x response, it is too long, or it ends too early.
        """
        self.unread += data
        self._ended = not data
        try:
            next(self._steps)
        except StopIteration as finished:
            answer: Answer | None = finished.value
            return answer
        if self._ended:
            raise ValueError("closed without an answer" if self.is_empty else "the answer is incomplete")
        return None

    @property
    def is_empty(self) -> bool:
        """True before the first byte."""
        return not (self._taken or self.unread)

    def _response(self) -> Generator[None, None, Answer]:
        status, version, headers = 100, b"1", dict[str, str]()
        while status < 200:
            match = _STATUS_LINE.match((yield from self._line()))
            if not match:
                raise ValueError("the answer is not HTTP/1.x")
            version, status = match[1], int(match[2])
            headers = yield from self._headers()
        keeps = version != b"0" and "close" not in headers.get("connection", "").lower()
        if status in (204, 304):
            body = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body = yield from self._chunks()
        elif "content-length" in headers:
            body = yield from self._sized(headers["content-length"])
        else:
            body, keeps = (yield from self._rest()), False
        return Answer(status, headers, body, keeps)

    def _headers(self) -> Generator[None, None, dict[str, str]]:
        headers: dict[str, str] = {}
        while line := (yield from self._line()):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        return headers

    def _chunks(self) -> Generator[None, None, bytes]:
        body = bytearray()
        while True:
            match = _CHUNK_SIZE.match((yield from self._line()))
            if not match:
                raise ValueError("the size of a chunk is not a number")
            size = int(match[1], 16)
            if not size:
                yield from self._headers()  # trailers
                return bytes(body)
            body += yield from self._exactly(size)
            if (yield from self._line()):
                raise ValueError("a chunk is longer than its size")

    def _sized(self, length: str) -> Generator[None, None, bytes]:
        if not _LENGTH.fullmatch(length):
            raise ValueError("the length of the answer is not a number")
        return (yield from self._exactly(int(length)))

    def _exactly(self, size: int) -> Generator[None, None, bytes]:
        self._check(size)
        while len(self.unread) < size:
            yield
        return self._take(size)

    def _line(self) -> Generator[None, None, bytes]:
        searched = 0
        while (end := self.unread.find(b"\n", searched)) < 0:
            searched = len(self.unread)
            self._check(searched)
            yield
        self._check(end + 1)
        return self._take(end + 1)[:-1].removesuffix(b"\r")

    def _rest(self) -> Generator[None, None, bytes]:
        while not self._ended:
            self._check(len(self.unread))
            yield
        return self._take(len(self.unread))

    def _check(self, size: int) -> None:
        if self._taken + size > _LONGEST:
            raise ValueError("the answer is too long")

    def _take(self, size: int) -> bytes:
        self._taken += size
        taken = bytes(self.unread[:size])
        del self.unread[:size]
        return taken
