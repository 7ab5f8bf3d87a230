"""HTTP/1.1 responses, parsed from the bytes as they come.

Source: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

_LONGEST = 1 << 20
_MOST_DIGITS = 12


class Answer:
    """A response.

    Attributes:
        status: From 200 on; those that only announce another are skipped.
        headers: Names in lower case.
        body: Without the framing of chunks.
        keeps: True when the connection can take another request.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, keeps: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.keeps = keeps


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
        version, status, headers = 1, 100, dict[str, str]()
        while status < 200:
            version, status = _version_and_status((yield from self._line()))
            headers = yield from self._headers()
        keeps = version > 0 and "close" not in headers.get("connection", "").lower()
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
            size = _chunk_size((yield from self._line()))
            if not size:
                yield from self._headers()  # trailers
                return bytes(body)
            body += yield from self._exactly(size)
            if (yield from self._line()):
                raise ValueError("a chunk is longer than its size")

    def _sized(self, length: str) -> Generator[None, None, bytes]:
        if len(length) > _MOST_DIGITS or not (length.isascii() and length.isdigit()):
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


def _version_and_status(line: bytes) -> tuple[int, int]:
    """Of a status line: the minor version, and a status of three digits. `isdigit` of bytes knows no digits but 0 to 9."""
    version, status = line[7:8], line[9:12]
    is_http = line.startswith(b"HTTP/1.") and line[8:9] == b" " and version.isdigit()
    if not (is_http and len(status) == 3 and status.isdigit() and status >= b"100") or line[12:13].isdigit():
        raise ValueError("the answer is not HTTP/1.x")
    return int(version), int(status)


def _chunk_size(line: bytes) -> int:
    """The size before an extension; `int` alone would take signs, prefixes and underscores as well."""
    size = line.partition(b";")[0].strip(b" \t")
    if not 0 < len(size) <= 8 or size.strip(b"0123456789abcdefABCDEF"):
        raise ValueError("the size of a chunk is not a number")
    return int(size, 16)
