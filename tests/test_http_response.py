"""Responses out of bytes: whatever they are, and however they are cut."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_otel.http_response import Answer, Parser


def fields(*pieces: bytes) -> tuple[int, Mapping[str, str], bytes, bool] | None:
    """What they are parsed to, to be compared."""
    answer = parse(*pieces)
    return answer and (answer.status, answer.headers, answer.body, answer.keeps)


def parse(*pieces: bytes) -> Answer | None:
    """What the first piece that decides makes of it; an empty piece is the end of the stream."""
    parser = Parser()
    for piece in pieces:
        if (answer := parser.feed(piece)) is not None:
            return answer
    return None


def outcome(pieces: list[bytes]) -> object:
    try:
        return fields(*pieces)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, {"content-length": "2"}, b"hi", True)),
        (b"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", (200, {"content-length": "0"}, b"", True)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, {}, b"", True)),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", (304, {"content-length": "9"}, b"", True)),
        (b"HTTP/1.1 204 No Content\r\nConnection: Close\r\n\r\n", (204, {"connection": "Close"}, b"", False)),
        (b"HTTP/1.0 204 No Content\r\n\r\n", (204, {}, b"", False)),
        (b"HTTP/1.1 204 Caf\xe9\r\nX: \xe9\r\n\r\n", (204, {"x": "\xe9"}, b"", True)),
        (b"HTTP/1.1 204 No Content\nX: 1\n\n", (204, {"x": "1"}, b"", True)),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 \r\n\r\n", (204, {}, b"", True)),
        (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 \r\nA: b\r\n\r\n", (204, {"a": "b"}, b"", True)),
    ],
)
def test_responses_are_understood(data: bytes, expected: object) -> None:
    assert fields(data) == expected


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"3;name=value\r\nabc\r\nA\r\n0123456789\r\n000\r\nTrailer: 1\r\n\r\n", b"abc0123456789"),
        (b"2 \r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
    ],
)
def test_a_body_in_chunks_is_joined(chunks: bytes, body: bytes) -> None:
    answer = parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 7\r\n\r\n" + chunks)
    assert answer is not None
    assert (answer.body, answer.keeps) == (body, True)


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\nall of this"
    assert parse(data) is None
    assert fields(data, b"") == (200, {}, b"all of this", False)


def test_what_follows_a_response_is_left_unread() -> None:
    parser = Parser()
    assert parser.feed(b"HTTP/1.1 204 \r\n\r\nHTTP/1.1 408 ") is not None
    assert parser.unread == b"HTTP/1.1 408 "


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.7\r\n",
        b"\n",
        b"HTTP/2 200\r\n",
        b"HTTP/1.1 20 OK\r\n",
        b"HTTP/1.1 2000 OK\r\n",
        b"HTTP/1.1 099 OK\r\n",
        b"HTTP/1.1  200 OK\r\n",
        b"HTTP/1.1 2_0 OK\r\n",
        b"HTTP/1.1_200 OK\r\n",
        b"HTTP/1. 200 OK\r\n",
        b"HTTP/1.\xb2 200 OK\r\n",
        b"http/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000001\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    ],
)
def test_what_is_not_http_is_refused_as_soon_as_it_is_known(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not HTTP|not a number|longer than its size"):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_a_response_that_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="the answer is incomplete"):
        parse(data, b"")


def test_the_end_before_the_first_byte_is_told_apart() -> None:
    with pytest.raises(ValueError, match="closed without an answer"):
        parse(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_048_576,
        b"x" * 1_048_577,
        b"HTTP/1.1 204 No Content\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_048_576,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000,
    ],
    ids=["length", "absurd-length", "header", "line", "headers", "until-close", "chunk", "announcements"],
)
def test_a_response_of_more_than_a_mebibyte_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"too long|not a number"):
        parse(data)


def test_what_follows_a_response_does_not_make_it_too_long() -> None:
    assert fields(b"HTTP/1.1 204 \r\n\r\n" + b"x" * 2_000_000) == (204, {}, b"", True)


def test_many_small_pieces_cost_no_more_than_their_bytes() -> None:
    chunks = b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n"
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    begin = time.process_time()
    answer = parse(*(data[index : index + 1] for index in range(len(data))))
    assert answer is not None
    assert answer.body == b"x" * 40_000
    assert time.process_time() - begin < 10  # looking at all bytes again for each piece takes minutes


PARTS = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.0 503 \r\n",
            b"HTTP/1.1 100 \r\n\r\n",
            b"Content-Length: 5\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Connection: close\r\n",
            b"\r\n",
            b"\n",
            b"5\r\nhello\r\n",
            b"0\r\n",
            b"hello",
        ]
    )
    | st.binary(max_size=6),
    max_size=12,
).map(b"".join)


@given(data=PARTS, cuts=st.lists(st.integers(0, 150)), ends=st.booleans())
def test_however_the_bytes_are_cut_the_result_is_the_same(data: bytes, cuts: list[int], ends: bool) -> None:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in pairwise(places)]
    end = [b""] if ends else []
    assert outcome([*pieces, *end]) == outcome([*([data] if data else []), *end])


@given(pieces=st.lists(st.binary(min_size=1), max_size=5))
def test_any_bytes_are_an_answer_or_refused_or_incomplete(pieces: list[bytes]) -> None:
    assert isinstance(outcome([*pieces, b""]), (tuple, str))
