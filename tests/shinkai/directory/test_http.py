"""One HTTP request, to servers of all kinds."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.shinkai.directory.http import MAX_HEADERS, MAX_LINE, HttpError, post
from tests.shinkai.directory.servers import http, saying, serving

CHUNKED = "Transfer-Encoding: Chunked\r\n"


@pytest.mark.req("SHK-65")
@pytest.mark.parametrize(
    "answer",
    [
        http(b"hello"),
        http(b"hello", headers=""),
        http(b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", headers=CHUNKED),
        b"HTTP/1.1 100 Continue\r\n\r\n" + http(b"hello more", headers="content-length:5\r\n"),
        b"HTTP/1.0 200\n\nhello",
    ],
    ids=["length", "to the end", "chunks", "continue", "bare"],
)
async def test_answers_in_all_forms(answer: bytes) -> None:
    async with serving(saying(answer)) as server:
        assert await post(server.url, b'{"a":1}', max_answer=5) == b"hello"
        assert server.requests == [{"a": 1}]
        assert server.heads[0].startswith("POST /secret-key?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.req("SHK-65")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (http(b"hello!"), "more than 5 bytes"),
        (http(b"hello!", headers=""), "more than 5 bytes"),
        (http(b"3\r\nhel\r\n3\r\nlo!\r\n0\r\n\r\n", headers=CHUNKED), "more than 5 bytes"),
        (http(b"FFFFFFFFFFFFFFF\r\n", headers=CHUNKED), "more than 5 bytes"),
        (http(b"", headers="Content-Length: 99999999999999999999\r\n"), "a length"),
        (http(b"", headers="Content-Length: -1\r\n"), "a length"),
        (http(b"x\r\n", headers=CHUNKED), "no HTTP"),
        (http(b"2\r\nhello\r\n", headers=CHUNKED), "longer than it says"),
        (http(b"hel", headers="Content-Length: 5\r\n"), "ends too early"),
        (http(b"", status="500 Oops"), "status 500"),
        (http(b"", status="301 Moved", headers="Location: http://127.0.0.1/\r\n"), "status 301"),
        (http(b"", headers="a: b\r\n" * (MAX_HEADERS + 1)), "headers"),
        (http(b"", headers="a: " + "b" * (MAX_LINE + 1) + "\r\n"), "no HTTP"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "no HTTP"),
        (b"\x13/multistream/1.0.0\n", "no HTTP"),
        (b"x" * 100_000, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "ends too early"),
        (b"", "ends too early"),
    ],
)
async def test_answers_that_can_not_be_used(answer: bytes, why: str) -> None:
    async with serving(saying(answer)) as server:
        with pytest.raises(HttpError, match=why):
            await post(server.url, b"{}", max_answer=5)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "127.0.0.1"])
async def test_only_http(url: str) -> None:
    with pytest.raises(ConfigError):
        await post(url, b"{}", max_answer=5)
