"""What an HTTP check asks, and whether what came will do."""

from __future__ import annotations

import time

import pytest

from health_prober.attempt import CheckFailedError, NotTriedError, Passed
from health_prober.http_judge import Answer, Recovery, blamed, host_of, judge, octets_of, redirected
from health_prober.regexes import RegexTooSlowError
from vipbus.contracts import Header, HttpCheck, HttpRequest, StatusRange, Tls

GET = HttpRequest()


def http(*requests: HttpRequest, address: str = "10.9.0.21", port: int = 80, **knobs: object) -> HttpCheck:
    return HttpCheck(address=address, port=port, requests=requests or (GET,), **knobs)


@pytest.mark.parametrize(
    ("check", "host"),
    [
        (http(), "10.9.0.21"),
        (http(port=8080), "10.9.0.21:8080"),
        (http(port=443), "10.9.0.21:443"),
        (http(port=443, tls=Tls()), "10.9.0.21"),
        (http(address="2001:db8::21"), "[2001:db8::21]"),
        (http(address="2001:db8::21", port=8080), "[2001:db8::21]:8080"),
        (http(HttpRequest(host="shop.example")), "shop.example"),
    ],
)
def test_the_host_is_the_address_where_none_is_given(check: HttpCheck, host: str) -> None:
    assert host_of(check, check.requests[0]) == host


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_value_ends_no_line_of_its_own(end: str) -> None:
    # a pattern's $ lets a line end pass at the end of a text
    for request in (HttpRequest(host=f"a{end}"), HttpRequest(headers=(Header(name="X-Y", value=f"a{end}"),))):
        octets = octets_of(http(request), request)
        assert octets.index(b"\r\n\r\n") == len(octets) - 4
        assert octets.count(b"\n") == octets.count(b"\r") == octets.count(b"\r\n")


@pytest.mark.parametrize(
    ("request_", "content", "cause"),
    [
        (HttpRequest(regex="b"), b"abc", None),
        (HttpRequest(regex="^b"), b"abc", "regex '^b' does not match"),
        (HttpRequest(regex="^b"), b"a\nb", "regex '^b' does not match"),
        (HttpRequest(regex="^b", regex_options=("multiline",)), b"a\nb", None),
        (HttpRequest(regex="B"), b"b", "regex 'B' does not match"),
        (HttpRequest(regex="B", regex_options=("caseless",)), b"b", None),
        (HttpRequest(regex="a.b"), b"a\nb", "regex 'a.b' does not match"),
        (HttpRequest(regex="a.b", regex_options=("dotall",)), b"a\nb", None),
        (HttpRequest(regex="a b # c", regex_options=("extended",)), b"ab", None),
        (HttpRequest(regex="b", regex_options=("anchored",)), b"ab", "regex 'b' does not match"),
        (HttpRequest(regex="b", regex_options=("anchored",), regex_min_offset=1), b"ab", None),
        (HttpRequest(regex="b", regex_options=("firstline",)), b"a\nb", "regex 'b' does not match"),
        (HttpRequest(regex="a+?b", regex_options=("ungreedy",)), b"aab", None),
        # offsets are octets of the content, and say where a match may begin
        (HttpRequest(regex="a", regex_min_offset=1), b"abc", "regex 'a' does not match"),
        (HttpRequest(regex="c", regex_min_offset=2), b"abc", None),
        (HttpRequest(regex="bc", regex_max_offset=2), b"abc", None),
        (HttpRequest(regex="bc", regex_max_offset=1), b"abc", "regex 'bc' does not match"),
        (HttpRequest(regex="", regex_min_offset=9), b"abc", None),
        (HttpRequest(regex="$", regex_min_offset=9), b"abc", "regex '$' does not match"),
        (HttpRequest(regex="é"), "né".encode(), None),
        (HttpRequest(regex="^.$"), "é".encode(), "regex '^.$' does not match"),
        (HttpRequest(regex="^.$", regex_options=("utf",)), "é".encode(), None),
        (
            HttpRequest(regex="b", regex_options=("utf",), regex_min_offset=2, regex_max_offset=3),
            "éb".encode(),
            None,
        ),
        (
            HttpRequest(regex="b", regex_options=("utf",), regex_max_offset=2),
            "éb".encode(),
            "regex 'b' does not match",
        ),
        (HttpRequest(regex="a", regex_options=("utf",)), b"\xff\xfea", None),
        (HttpRequest(regex="b", regex_no_match=True), b"abc", "regex 'b' matches"),
        (HttpRequest(regex="x", regex_no_match=True), b"abc", None),
    ],
)
def test_regular_expressions(request_: HttpRequest, content: bytes, cause: str | None) -> None:
    answer = Answer(200, content)
    if cause is None:
        assert judge(request_, answer) == Passed(note="status 200")
        return
    with pytest.raises(CheckFailedError) as caught:
        judge(request_, answer)
    assert str(caught.value) == cause


def test_one_that_takes_long_is_ended() -> None:
    evil = HttpRequest(regex=r"^(\w+\s?)*(\w+\s?)*(\w+\s?)*\1\2\3$")
    began = time.monotonic()
    with pytest.raises(RegexTooSlowError, match=r"took longer than 0\.05 s"):
        judge(evil, Answer(200, b"a" * 3000 + b"!"), regex_within=0.05)
    assert time.monotonic() - began < 5


def test_one_that_is_none_blames_nobody() -> None:
    with pytest.raises(NotTriedError, match="regex '\\(': "):
        judge(HttpRequest(regex="("), Answer(200))


@pytest.mark.parametrize(
    ("request_", "judged"),
    [
        (GET, None),
        (HttpRequest(digest="0" * 32), "more than 1 MiB of content"),
        (HttpRequest(regex="a"), None),
        (HttpRequest(regex="b"), "more than 1 MiB of content"),
        (HttpRequest(regex="b", regex_no_match=True), "more than 1 MiB of content"),
    ],
)
def test_content_that_was_not_read_is_never_judged(request_: HttpRequest, judged: str | None) -> None:
    answer = Answer(200, b"aaa", whole=False)
    if judged is None:
        judge(request_, answer)
        return
    with pytest.raises(CheckFailedError, match=judged):
        judge(request_, answer)


@pytest.mark.parametrize(
    ("status", "location", "path", "host"),
    [
        (301, "/new", "/new", None),
        (302, "new?x=1", "/dir/new?x=1", None),
        (307, "../up#part", "/up", None),
        (308, "?q", "/dir/page?q", None),
        (303, "http://shop.example/x", "/x", "shop.example"),
        (302, "http://user:pw@shop.example:8080", "/", "shop.example:8080"),
        (302, "//shop.example/x", "/x", "shop.example"),
        (200, "/new", None, None),
        (304, "/new", None, None),
        (302, "", None, None),
        (302, "https://shop.example/x", None, None),
        (302, "ftp://shop.example/x", None, None),
        (302, "http://[broken/x", None, None),
        (302, "/with blank", None, None),
        (302, "/\x00", None, None),
        (302, "/" + "x" * 9000, None, None),
        (302, "http://shop.example\x00/", None, None),
    ],
)
def test_redirects(status: int, location: str, path: str | None, host: str | None) -> None:
    request = HttpRequest(path="/dir/page", redirects=2)
    following = redirected(http(request), request, Answer(status, location=location))
    if path is None:
        assert following is None
    else:
        assert following is not None
        assert (following.path, following.host, following.redirects) == (path, host, 1)


def test_redirects_are_off_unless_asked_for_and_end() -> None:
    assert redirected(http(), GET, Answer(302, location="/x")) is None
    last = HttpRequest(redirects=1)
    following = redirected(http(last), last, Answer(302, location="/x"))
    assert following is not None
    assert redirected(http(last), following, Answer(302, location="/y")) is None


@pytest.mark.parametrize(
    ("status", "method", "becomes", "body"),
    [
        (303, "PUT", "GET", ""),
        (303, "HEAD", "HEAD", ""),
        (302, "POST", "GET", ""),
        (307, "POST", "POST", "x"),
    ],
)
def test_what_a_redirect_makes_of_a_method(status: int, method: str, becomes: str, body: str) -> None:
    request = HttpRequest(method=method, body="x", redirects=1)
    following = redirected(http(request), request, Answer(status, location="/y"))
    assert following is not None
    assert (following.method, following.body) == (becomes, body)


def test_blame_names_the_request_where_there_are_several() -> None:
    secret = HttpRequest(path="/x\u202e?token=hush")
    assert blamed(http(secret), secret, "digest differs") == "digest differs"
    assert blamed(http(secret, GET), secret, "digest differs") == "/x\ufffd: digest differs"


def test_recovery_begins_with_what_failed_and_leaves_nothing_out() -> None:
    recovery = Recovery()
    check = http(*(HttpRequest(path=path) for path in ("/a", "/b", "/c")), fast_recovery=True)

    def order() -> list[int]:
        return [number for number, _ in recovery.order(check)]

    assert order() == [0, 1, 2]
    recovery.failed(check, 1)
    assert order() == [1, 2, 0]
    recovery.passed(check)
    assert order() == [0, 1, 2]


def test_no_status_asked_for_is_any() -> None:
    judge(HttpRequest(status=()), Answer(599))
    with pytest.raises(CheckFailedError, match="wanted 204, 300-399"):
        judge(
            HttpRequest(status=(StatusRange(first=204, last=204), StatusRange(first=300, last=399))),
            Answer(200),
        )
