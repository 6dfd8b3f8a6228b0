"""The same checkers read by keepalived and by config-service: both understand the same.

keepalived dumps what it read (``-d``) only where the kernel has IPVS; what it takes it says with ``-t``.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_service.keepalived.compile import compile_text
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.outside import Outside
from config_service.problems import ConfigError
from tests.lab.namespace import Namespace
from tests.support.waiting import eventually
from vipbus.contracts import (
    Check,
    DnsCheck,
    FileCheck,
    HttpCheck,
    HttpRequest,
    PingCheck,
    RealServer,
    ScriptCheck,
    SmtpCheck,
    TcpCheck,
    UdpCheck,
)

HEAD = """\
global_defs {
    script_user root
    enable_script_security
}
track_file f {
    file /run/vipbus-test-f
    weight 3 reverse
}
track_file g {
    file /run/vipbus-test-g
}
"""
EACH = """\
HTTP_GET {
url {
path /
}
}
DNS_CHECK {
}
MISC_CHECK {
misc_path /bin/true
}
FILE_CHECK {
track_file f
}
TCP_CHECK {
}
UDP_CHECK {
}
PING_CHECK {
}
SMTP_CHECK {
}"""
OUTER = "connect_timeout 2\nretry 7\ndelay_before_retry 8\nwarmup 9\ndelay_loop 10\nalpha\nvirtualhost v.s"
INNER = "connect_timeout 3\nretry 17\ndelay_before_retry 18\nwarmup 19\ndelay_loop 20\nalpha off"


def url(*lines: str) -> str:
    return "\n".join(("url {", *lines, "}"))


def checker(kind: str, *lines: str) -> str:
    return "\n".join((f"{kind} {{", *lines, "}"))


CASES: dict[str, tuple[str, str, str]] = {
    "nothing": ("", "", EACH),
    "around": (OUTER, "", EACH),
    "inside": (OUTER, INNER, EACH),
    "loop_alone": ("", "delay_loop 20", EACH),
    "no_delay": ("", "delay_before_retry 0", EACH),
    "own": (
        OUTER,
        INNER,
        checker(
            "TCP_CHECK", "connect_timeout 4", "retry 1", "delay_before_retry 2", "warmup 0", "delay_loop 9"
        )
        + "\n"
        + checker("DNS_CHECK", "delay_loop 9", "retry 0"),
    ),
    "dns_loop": ("delay_loop 4", "", checker("DNS_CHECK", "delay_loop 9")),
    "alpha_inside": ("", "alpha", checker("TCP_CHECK", "alpha off") + "\n" + checker("DNS_CHECK")),
    "alpha_nowhere": ("alpha", "alpha off", checker("TCP_CHECK")),
    "alpha_of_one": ("", "", checker("TCP_CHECK", "alpha") + "\n" + checker("PING_CHECK")),
    "way": (
        "",
        "",
        checker(
            "TCP_CHECK",
            "connect_ip 10.9.88.8",
            "connect_port 90",
            "bindto 10.9.88.1",
            "bind_if lo",
            "bind_port 5",
            "fwmark 6",
        )
        + "\n"
        + checker("TCP_CHECK", "connect_ip 2001:DB8::1", "bindto ::2"),
    ),
    "http": (
        "",
        "",
        checker(
            "HTTP_GET",
            "http_protocol 1.0c",
            "fast_recovery",
            "connect_port 81",
            "virtualhost c",
            url("path /", 'regex "a\\\\d \\"b\\""', "regex_no_match", "regex_min_offset 3"),
            url("path /b", "digest 0123456789ABCDEF0123456789abcdef", "virtualhost u"),
            url("path /c", "status_code 404 200 201 203-205 204"),
            url("path /d", "regex a", "regex_min_offset 2", "regex_max_offset 4"),
        ),
    ),
    "https": (
        "",
        "",
        checker(
            "SSL_GET", "http_protocol 1.1", "enable_sni", "virtualhost a.b", url("path /"), url("path /x")
        ),
    ),
    "smtp": (
        "",
        "",
        checker("SMTP_CHECK", "connect_port 26", "helo_name lb", "connect_timeout 3", "retry 4"),
    ),
    "smtp_hosts": (
        "",
        "",
        checker(
            "SMTP_CHECK",
            "connect_port 25",
            checker("host", "connect_port 26", "connect_timeout 4"),
            checker("host", "connect_ip 10.9.77.1", "connect_timeout 9", "bindto 10.9.88.1", "fwmark 3"),
            "delay_loop 5",
            "retry 2",
        ),
    ),
    "dns": (
        "",
        "",
        checker("DNS_CHECK", "type aaaa", "name example.org")
        + "\n"
        + checker("DNS_CHECK", "type DNSKEY", "name example.org."),
    ),
    "misc": (
        "",
        "",
        checker(
            "MISC_CHECK", "misc_path \"/bin/true a 'b c'\"", "misc_timeout 4", "misc_dynamic", "user nobody"
        )
        + "\n"
        + checker("MISC_CHECK", "misc_path /bin/true", "retry 3", "delay_before_retry 4"),
    ),
    "udp": (
        "",
        "",
        checker(
            "UDP_CHECK", "payload Ab12f 3 456 546443123", "require_reply 0x1X 2 xx3", "min_reply_length 2"
        )
        + "\n"
        + checker("UDP_CHECK", 'payload "01 02" 3', "require_reply", "max_reply_length 9"),
    ),
    "file": (
        "",
        "",
        "\n".join(
            (
                checker("FILE_CHECK", "track_file f"),
                checker("FILE_CHECK", "track_file f", "weight 5"),
                checker("FILE_CHECK", "track_file g"),
                checker("FILE_CHECK", "track_file g", "weight 2 reverse"),
                checker("FILE_CHECK", "track_file g", "weight 0"),
                checker("FILE_CHECK", "track_file f", "weight -2147483647 noreverse"),
            )
        ),
    ),
}


def whole(number: int, case: tuple[str, str, str]) -> str:
    around, inside, checkers = case
    return (
        f"virtual_server 10.9.{number}.1 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{around}\n"
        f"real_server 10.9.{number}.2 80 {{\n{inside}\n{checkers}\n}}\n}}\n"
    )


def ours(text: str) -> list[RealServer]:
    outside = Outside(str, Names())
    entities = compile_text(text, "x.conf", "r1", "host", outside).entities
    return [one for one in entities if isinstance(one, RealServer)]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """Give what keepalived dumps of each real server's checkers, a text each."""
    path = tmp_path_factory.mktemp("keepalived") / "x.conf"
    path.write_text(HEAD + "".join(whole(number, case) for number, case in enumerate(CASES.values(), 1)))
    space = Namespace(f"chk{secrets.token_hex(4)}")
    space.open(sysctl={"ipv6.conf.all.disable_ipv6": 0})
    try:
        log = path.with_name("log")
        pids = [part for option in "pc" for part in (f"-{option}", str(path.with_name(f"{option}.pid")))]
        running = space.spawn(["keepalived", "-n", "-l", "-D", "-d", "-C", "-f", str(path), *pids], log)
        try:
            eventually(lambda: "Activating BFD" in log.read_text(), "keepalived dumps", within=60)
        finally:
            running.terminate()
            running.wait(20)
        text = re.sub(r"(?m)^(?:[A-Z][a-z]{2} [A-Z][a-z]{2} .*?20\d\d: )", "", log.read_text())
        text = re.sub(r"(?m)^Keepalived\w*\[\d+\]: .*\n", "", text)
        assert "x.conf: Line" not in text
        yield _checkers(text)
    finally:
        space.close()


def _checkers(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    part = text.partition("------< Health checkers >------\n")[2].partition("\nActivating")[0]
    blocks, _, files = part.partition("------< Checker track files >------\n")
    for block in re.split(r"(?m)^ (?=\[10\.9\.\d+\.1\]:tcp:80 -> )", blocks)[1:]:
        head, _, body = block.partition("\n")
        found.setdefault(head.split(".")[2], []).append(body)
    for line in re.findall(
        r"(?m)^ Track file = (\w)|^ +\[10\.9\.(\d+)\.1\]:tcp:80 -> \S+, (weight .*)$", files
    ):
        name, number, weight = line
        if name:
            found["file"] = [name]
        else:
            found.setdefault(f"{number} weights", []).append(f"{found['file'][0]} {weight}")
    return found


def said(body: str) -> dict[str, str]:
    """Read the lines ``Key = value`` of a checker; of a key that comes again the first."""
    lines: dict[str, str] = {}
    for line in body.splitlines():
        key, equals, value = line.strip().partition(" =")
        if equals:
            lines.setdefault(key, value.strip())
    return lines


def common(check: Check) -> dict[str, str]:
    expected = {"Delay loop": f"{check.interval * 1e6:.0f} us", "Retries": f"{check.retry}"}
    if check.retry:
        expected["Delay before retry"] = f"{check.delay_before_retry * 1e6:.0f} us"
    if check.warmup is not None:
        expected["Warmup"] = f"{check.warmup * 1e6:.0f} us"
    if not isinstance(check, ScriptCheck):
        expected["Dest"] = f"[{check.address}]:{check.port}"
        expected["Timeout"] = f"{check.timeout:.6f}"
    if check.source is not None:
        expected["Bind to"] = f"[{check.source}]:{check.source_port}"
    if check.interface is not None:
        expected["Bind i/f"] = check.interface
    if check.mark:
        expected["Mark"] = f"{check.mark}"
    return expected


def special(check: Check) -> dict[str, str]:
    if isinstance(check, SmtpCheck):
        return {"Keepalive method": "SMTP_CHECK", "helo": check.helo_name}
    if isinstance(check, DnsCheck):
        name = "" if check.name == "." else check.name
        return {"Keepalive method": "DNS_CHECK", "Type": check.type, "Name": name}
    if isinstance(check, ScriptCheck):
        return {"Keepalive method": "MISC_CHECK", "dynamic": "YES" if check.dynamic else "NO"}
    if isinstance(check, UdpCheck):
        payload = (
            {"Payload len": f"{len(check.payload) // 2}"} if check.payload else {"Payload specified": "no"}
        )
        reply = {"Require reply": "yes" if check.require_reply else "no"}
        if check.require_reply:
            reply["Min reply length"] = f"{check.min_reply_length}"
            reply["Reply data len"] = f"{len(check.reply) // 2}"
        if check.reply_mask:
            reply["Reply data mask"] = "yes"
        return {"Keepalive method": "UDP_CHECK", **payload, **reply}
    if isinstance(check, HttpCheck):
        kind = "SSL_GET" if check.tls is not None else "HTTP_GET"
        return {"Keepalive method": f"{kind}, http protocol {check.version}"}
    return {"Keepalive method": {TcpCheck: "TCP_CHECK", PingCheck: "PING_CHECK"}[type(check)]}  # type: ignore[index]


@pytest.mark.ipvs
@pytest.mark.parametrize("name", CASES)
def test_checkers_are_read_the_same(dump: dict[str, list[str]], name: str) -> None:
    number = [*CASES].index(name) + 1
    (real,) = ours(HEAD + whole(number, CASES[name]))
    checks = [one for one in real.checks if not isinstance(one, FileCheck)]
    theirs = [body for body in dump.get(str(number), []) if "FILE_CHECK" not in body]
    assert len(theirs) == len(checks)
    for body, check in zip(theirs, checks, strict=True):
        read, expected = said(body), {**common(check), **special(check)}
        if isinstance(check, SmtpCheck) and read["Timeout"] == "0.000000":
            del expected["Timeout"]
        if isinstance(check, HttpCheck):
            read["Keepalive method"] = read["Keepalive method"].rstrip("C")
        assert {key: read.get(key) for key in expected} == expected
    assert real.alpha == any(said(body)["Alpha"] == "yes" for body in theirs)


def _request(one: HttpRequest) -> list[str]:
    lines = [f"digest = {one.digest}"] if one.digest is not None else []
    lines += ["HTTP Status Code(s)"]
    lines += [
        f"{span.first}-{span.last}" if span.first < span.last else f"{span.first}" for span in one.status
    ]
    if one.regex:
        lines += [f'Regex = "{one.regex}"', *(["Regex no match"] if one.regex_no_match else [])]
    if one.regex_min_offset or one.regex_max_offset is not None:
        most = f", max_offset = {one.regex_max_offset - 1}" if one.regex_max_offset is not None else ""
        lines += [f"Regex min offset = {one.regex_min_offset}{most}"]
    return lines


@pytest.mark.ipvs
@pytest.mark.parametrize("name", ["http", "https", "nothing"])
def test_urls_are_read_the_same(dump: dict[str, list[str]], name: str) -> None:
    number = [*CASES].index(name) + 1
    (real,) = ours(HEAD + whole(number, CASES[name]))
    (check,) = (one for one in real.checks if isinstance(one, HttpCheck))
    (body,) = (body for body in dump[str(number)] if "Checked url" in body)
    parts = re.split(r"(?m)^ +Checked url = ", body)[1:]
    assert [part.splitlines()[0] for part in parts] == [one.path for one in check.requests]
    for part, request in zip(parts, check.requests, strict=True):
        lines = [line.strip() for line in part.splitlines()[1:]]
        own = [line for line in lines if not line.startswith(("Regex options", "Regex ref", "Virtual host"))]
        assert own == _request(request)
        host = [line.partition(" = ")[2] for line in lines if line.startswith("Virtual host")]
        assert not host or host == [request.host]


@pytest.mark.ipvs
def test_a_program_is_read_the_same(dump: dict[str, list[str]]) -> None:
    number = [*CASES].index("misc") + 1
    (real,) = ours(HEAD + whole(number, CASES["misc"]))
    for body, check in zip(dump[str(number)], real.checks, strict=True):
        assert isinstance(check, ScriptCheck)
        first, *rest = re.findall(r"'([^']*)'", said(body)["script"])
        assert (Path(first).name, *rest) == (
            Path(check.program.arguments[0]).name,
            *check.program.arguments[1:],
        )
        # keepalived's 0 is the interval
        timeout = float(said(body)["timeout"])
        assert check.timeout == (timeout or check.interval)


@pytest.mark.ipvs
def test_weights_of_files_are_read_the_same(dump: dict[str, list[str]]) -> None:
    number = [*CASES].index("file") + 1
    (real,) = ours(HEAD + whole(number, CASES["file"]))
    mine = [f"{check.path[-1]} {check.weight}" for check in real.checks if isinstance(check, FileCheck)]
    theirs = [
        re.sub(r" weight (\S+?)( reverse)?$", lambda found: f" {'-' if found[2] else ''}{found[1]}", line)
        for line in dump[f"{number} weights"]
    ]
    assert sorted(theirs) == sorted(mine)


NEWER = ("sni_name", "tls_compliant", "1.0K", "1.1K")
"""Of keepalived's versions after 2.2.7."""
REFUSED = [
    ("TCP_CHECK", line)
    for line in (
        "retry -1",
        "retry 4294967296",
        "retry x",
        "connect_timeout 0",
        "connect_timeout 4294.967296",
        "delay_loop 0",
        "warmup -1",
        "fwmark 4294967296",
        "fwmark 0x10",
        "bind_port 0",
        "bind_port 65536",
        "connect_port 0",
        "connect_ip host",
        "bindto ::1",
        "bind_if abcdefghijklmnop",
        "alpha 1",
        "log_all_failures x",
        "host {\n}",
        "virtualhost a",
        "helo_name x",
    )
]
REFUSED += [("HTTP_GET", f"http_protocol {word}\n{url('path /')}") for word in ("2", "1.1C")]
REFUSED += [
    ("HTTP_GET", url("path /", line))
    for line in (
        "digest 012",
        f"digest {'z' * 32}",
        "status_code 99",
        "status_code 600",
        "status_code 299-200",
        "status_code 200,201",
        "status_code 200-",
        "virtualhost",
        "method HEAD",
    )
]
REFUSED += [("SMTP_CHECK", line) for line in ("helo_name", "host {\nhelo_name x\n}", "host")]
REFUSED += [("DNS_CHECK", line) for line in ("type PTR", "type 1", "name a..b", "type")]
REFUSED += [
    ("MISC_CHECK", f"misc_path /bin/true\n{line}")
    for line in ("misc_timeout 0.5", "misc_timeout 4295", "connect_port 5", "user")
]
REFUSED += [("MISC_CHECK", ""), ("FILE_CHECK", ""), ("FILE_CHECK", "track_file nothing")]
REFUSED += [
    ("UDP_CHECK", line)
    for line in (
        "payload",
        "payload xx",
        "payload 0x01",
        "require_reply gg",
        "max_reply_length 65536",
        "require_reply\nmin_reply_length 5\nmax_reply_length 4",
    )
]
REFUSED += [
    ("FILE_CHECK", f"track_file g\n{line}")
    for line in ("weight 2147483648", "weight -2147483648", "weight 1 x", "weight", "delay_loop 5")
]
ACCEPTED = [
    ("TCP_CHECK", line)
    for line in (
        "retry 0",
        "retry 4294967295",
        "connect_timeout 0.000001",
        "connect_timeout 4294.967295",
        "delay_before_retry 0",
        "delay_before_retry 2678400",
        "warmup 2678400",
        "delay_loop 2678400",
        "fwmark 4294967295",
        "bind_port 65535",
        "connect_ip ::1",
        "alpha no",
        "alpha",
    )
]
ACCEPTED += [
    ("HTTP_GET", f"http_protocol {word}\n{url('path /')}") for word in ("1.0", "1.0c", "1.0C", "1.1")
]
ACCEPTED += [
    ("HTTP_GET", url("path /", line))
    for line in ("status_code 100-599", "status_code 200 200-210 205", "regex a\nregex_options utf caseless")
]
ACCEPTED += [
    ("DNS_CHECK", f"type {word}")
    for word in ("a", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "dnskey")
]
ACCEPTED += [("MISC_CHECK", f"misc_path /bin/true\nmisc_timeout {number}") for number in (0, 4294)]
ACCEPTED += [("UDP_CHECK", line) for line in ("payload 0", "require_reply X 0x1", "max_reply_length 65535")]
ACCEPTED += [("FILE_CHECK", f"track_file g\nweight {word}") for word in ("2147483647", "-2147483647 reverse")]


def _theirs(tmp_path: Path, text: str) -> str:
    path = tmp_path / "x.conf"
    path.write_text(text)
    done = subprocess.run(["keepalived", "-t", "-f", str(path)], capture_output=True, text=True, check=False)
    return done.stderr


@pytest.mark.parametrize(("kind", "lines"), REFUSED)
def test_what_is_refused_keepalived_complains_of(tmp_path: Path, kind: str, lines: str) -> None:
    text = HEAD + whole(1, ("", "", checker(kind, lines)))
    with pytest.raises(ConfigError):
        ours(text)
    assert "Line " in _theirs(tmp_path, text)


@pytest.mark.parametrize(("kind", "lines"), ACCEPTED)
def test_what_keepalived_takes_is_accepted(tmp_path: Path, kind: str, lines: str) -> None:
    text = HEAD + whole(1, ("", "", checker(kind, lines)))
    assert "Line " not in _theirs(tmp_path, text)
    assert ours(text)[0].checks


@pytest.mark.parametrize("line", ["retry 0", "retry 4294967296", "connect_timeout 0", "delay_loop 0"])
def test_around_the_checkers_the_ranges_are_the_same(tmp_path: Path, line: str) -> None:
    for text in (whole(1, (line, "", EACH)), whole(1, ("", line, EACH))):
        with pytest.raises(ConfigError):
            ours(HEAD + text)
        assert "Line " in _theirs(tmp_path, HEAD + text)


def test_keepalived_knows_every_keyword_in_the_example(tmp_path: Path) -> None:
    example = Path(__file__).parents[1] / "unit" / "config_service" / "checks.conf"
    lines = [line for line in example.read_text().splitlines() if not any(word in line for word in NEWER)]
    assert "Unknown keyword" not in _theirs(tmp_path, "\n".join((*lines, "")))


def test_keepalived_knows_every_keyword_in_the_cases(tmp_path: Path) -> None:
    text = HEAD + "".join(whole(number, case) for number, case in enumerate(CASES.values(), 1))
    assert "Line " not in _theirs(tmp_path, text)
    assert len(ours(text)) == len(CASES)
