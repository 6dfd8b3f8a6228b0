"""Each keyword of the checkers: what is said of a wrong value, and what a missing or idle one means."""

from __future__ import annotations

import pytest

from tests.unit.config_service.support import errors, server, the_server, warnings
from vipbus.contracts import HttpCheck, StatusRange, UdpCheck

URL = "url { path /\n"


def inside(checker: str, lines: str) -> str:
    """Write a real server's checker: its lines from line 4."""
    return server(inside=f"{checker} {{\n{lines}\n}}")


KNOB_ERRORS = [
    ("connect_ip host", "connect_ip: 'host' is no IP address"),
    ("connect_ip 0.0.0.0", "connect_ip: '0.0.0.0' is the unspecified address"),
    ("connect_port 65536", "connect_port: '65536' is no whole number from 1 to 65535"),
    ("bindto lo", "bindto: 'lo' is no IP address"),
    ("bindto ::1", "bindto ::1 is IPv6, but 10.9.1.21 is checked, which is IPv4; choose an address of"),
    ("bind_if abcdefghijklmnop", "bind_if: 'abcdefghijklmnop' is no network interface's name"),
    ("bind_port 0", "bind_port: '0' is no whole number from 1 to 65535"),
    ("fwmark 4294967296", "fwmark: '4294967296' is no whole number from 0 to 4294967295"),
    ("fwmark 0x10", "fwmark: '0x10' is no whole number"),
    ("connect_timeout 0", "connect_timeout: '0' is no number of seconds from 0.000001 to 4294.967295"),
    ("retry -1", "retry: '-1' is no whole number from 0 to 4294967295"),
    ("delay_before_retry x", "delay_before_retry: 'x' is no number of seconds from 0 to 2678400"),
    ("warmup 1s", "warmup: '1s' is no number of seconds from 0 to 2678400"),
    ("delay_loop 0", "delay_loop: '0' is no number of seconds from 0.001 to 2678400"),
    ("alpha x", "alpha: 'x' is none of on off true false yes no"),
    ("log_all_failures 1", "log_all_failures: '1' is none of on off true false yes no"),
    ("retry 1\nretry 2", "retry is given twice, first as 'retry' on line 4; remove one"),
]


@pytest.mark.parametrize("checker", ["TCP_CHECK", "SMTP_CHECK", "DNS_CHECK", "UDP_CHECK", "PING_CHECK"])
@pytest.mark.parametrize(("line", "error"), KNOB_ERRORS)
def test_knobs(checker: str, line: str, error: str) -> None:
    (said,) = errors(inside(checker, line))
    assert said.startswith(f"{4 + line.count(chr(10))}: {error}")


@pytest.mark.parametrize(
    ("checker", "lines", "error"),
    [
        ("HTTP_GET", "", "3: HTTP_GET has no url; add one"),
        ("SSL_GET", "", "3: SSL_GET has no url; add one"),
        ("HTTP_GET", "url {\nstatus_code 200\n}", "4: url has no path; add it"),
        ("HTTP_GET", "url / {\n}", '4: url is written "url { ... }", but here one argument follows it'),
        ("HTTP_GET", f"{URL}}}\nhttp_protocol 2", "6: http_protocol: '2' is none of 1.0 1.0C 1.0K 1.1 1.1K"),
        ("HTTP_GET", f"{URL}}}\nhelo_name x", "6: 'helo_name' does not belong in HTTP_GET but in SMTP_CHECK"),
        ("HTTP_GET", f"{URL}}}\nmethod HEAD", "6: unknown keyword 'method' in HTTP_GET"),
        ("HTTP_GET", f"{URL}}}\nvirtualhost 'a b'", "6: virtualhost: 'a b' is no host's name"),
        ("HTTP_GET", f"{URL}}}\nvirtualhost ''", "6: virtualhost: '' is no host's name"),
        ("HTTP_GET", f"{URL}}}\nfast_recovery maybe", "6: fast_recovery: 'maybe' is none of on off"),
        ("HTTP_GET", "retry 1\nnb_get_retry 2\nurl { path /\n}", "5: nb_get_retry is given twice, first as"),
        ("HTTP_GET", "url {\npath x\n}", "5: path: 'x' is no path; begin it with / and write blanks and"),
        ("HTTP_GET", "url {\npath '/a b'\n}", "5: path: '/a b' is no path; begin it with /"),
        ("HTTP_GET", "url {\npath /ä\n}", "5: path: '/ä' is no path; begin it with /"),
        ("HTTP_GET", f"{URL}digest 12\n}}", "5: digest: '12' is no MD5 digest; write its 32 hexadecimal"),
        ("HTTP_GET", f"{URL}digest {'g' * 32}\n}}", f"5: digest: '{'g' * 32}' is no MD5 digest"),
        ("HTTP_GET", f"{URL}status_code 99\n}}", "5: status_code: '99' is no status code or range; write"),
        ("HTTP_GET", f"{URL}status_code 600\n}}", "5: status_code: '600' is no status code or range"),
        ("HTTP_GET", f"{URL}status_code 299-200\n}}", "5: status_code: '299-200' is no status code or range"),
        ("HTTP_GET", f"{URL}status_code 200,201\n}}", "5: status_code: '200,201' is no status code or range"),
        ("HTTP_GET", f"{URL}status_code\n}}", '5: status_code is written "status_code CODE|RANGE ..."'),
        ("HTTP_GET", f"{URL}regex (\n}}", "5: regex: '(' is no regular expression: missing )"),
        ("HTTP_GET", f"{URL}regex [a\n}}", "5: regex: '[a' is no regular expression: "),
        ("HTTP_GET", f"{URL}regex ''\n}}", "5: regex: the regular expression is empty"),
        ("HTTP_GET", f"{URL}regex {'a' * 4097}\n}}", "5: regex: the regular expression is longer than 4096"),
        ("HTTP_GET", f"{URL}regex a b\n}}", '5: regex is written "regex EXPRESSION", but here 2 arguments'),
        ("HTTP_GET", f"{URL}regex a\nregex_no_match on\n}}", "6: regex_no_match is written"),
        (
            "HTTP_GET",
            f"{URL}regex a\nregex_options caseles\n}}",
            "6: regex_options: 'caseles' is none of caseless dotall extended firstline",
        ),
        (
            "HTTP_GET",
            f"{URL}regex a\nregex_options ucp\n}}",
            "6: regex_options: 'ucp' is PCRE's alone; write",
        ),
        ("HTTP_GET", f"{URL}regex a\nregex_options dollar_endonly\n}}", "6: regex_options: 'dollar_endonly'"),
        (
            "HTTP_GET",
            f"{URL}regex a\nregex_min_offset -1\n}}",
            "6: regex_min_offset: '-1' is no whole number",
        ),
        (
            "HTTP_GET",
            f"{URL}regex a\nregex_min_offset 5\nregex_max_offset 4\n}}",
            "7: regex_max_offset 4 is less than regex_min_offset 5: nothing can match; correct one",
        ),
        ("SMTP_CHECK", "helo_name 'a b'", "4: helo_name: 'a b' is no name to say HELO with"),
        ("SMTP_CHECK", "host {\nhelo_name x\n}", "5: 'helo_name' does not belong in host but in SMTP_CHECK"),
        ("SMTP_CHECK", "host {\nconnect_port x\n}", "5: connect_port: 'x' is no whole number"),
        ("SMTP_CHECK", "host {\nbindto ::1\n}", "5: bindto ::1 is IPv6, but 10.9.1.21 is checked"),
        ("SMTP_CHECK", "host x {\n}", '4: host is written "host { ... }", but here one argument'),
        ("DNS_CHECK", "type PTR", "4: type: 'PTR' is none of A NS CNAME SOA MX TXT AAAA RRSIG DNSKEY"),
        ("DNS_CHECK", "type Aa", "4: type: 'Aa' is none of A NS"),
        ("DNS_CHECK", "name a..b", "4: name: 'a..b' is no domain name; labels have 1 to 63 characters"),
        ("DNS_CHECK", f"name {'a' * 64}.b", "4: name: 'aaaa"),
        ("DNS_CHECK", f"name {'a.' * 127}b", "4: name: 'a.a."),
        ("DNS_CHECK", "name ä.example", "4: name: 'ä.example' is no domain name; write other letters than"),
        ("DNS_CHECK", "name 'a b'", "4: name: 'a b' is no domain name"),
        ("MISC_CHECK", "", "3: MISC_CHECK has no misc_path; add it"),
        ("MISC_CHECK", "misc_path /bin/true a", "4: misc_path: a command with arguments stands in quotes"),
        ("MISC_CHECK", "misc_path ''", "4: misc_path: the command is empty; name a program"),
        ("MISC_CHECK", "misc_path /bin/true\nmisc_timeout 0.5", "5: misc_timeout: '0.5' is no whole number"),
        (
            "MISC_CHECK",
            "misc_path /bin/true\nmisc_timeout 4295",
            "5: misc_timeout: '4295' is no whole number",
        ),
        ("MISC_CHECK", "misc_path /bin/true\nuser 'a b'", "5: user: 'a b' is no name of a user or group"),
        (
            "MISC_CHECK",
            "misc_path /bin/true\nconnect_port 5",
            "5: 'connect_port' does not belong in MISC_CHECK",
        ),
        ("UDP_CHECK", "payload xx", "4: payload: 'xx' is no hexadecimal number; write octets as 0d 0a ff"),
        ("UDP_CHECK", "payload 0x01", "4: payload: '0x01' is no hexadecimal number"),
        ("UDP_CHECK", "payload", '4: payload is written "payload OCTETS", but here nothing follows it'),
        ("UDP_CHECK", f"payload {'00' * 65508}", "4: payload: 65508 octets fit into no datagram; 65507 do"),
        ("UDP_CHECK", "require_reply zz", "4: require_reply: 'zz' is no hexadecimal number"),
        ("UDP_CHECK", "max_reply_length 65536", "4: max_reply_length: '65536' is no whole number from 0"),
        (
            "UDP_CHECK",
            "require_reply\nmin_reply_length 5\nmax_reply_length 4",
            "6: max_reply_length 4 is less than min_reply_length 5; correct one",
        ),
        ("FILE_CHECK", "", "3: FILE_CHECK has no track_file; add it"),
        ("FILE_CHECK", "track_file f", "4: there is no track_file 'f'; add it, or remove it here"),
        ("FILE_CHECK", "track_file f\nweight 2147483648", "8: weight: '2147483648' is no whole number"),
        (
            "FILE_CHECK",
            "track_file f\nweight 1 backwards",
            "8: weight: 'backwards' is none of reverse noreverse",
        ),
        ("FILE_CHECK", "track_file f\ndelay_loop 5", "8: 'delay_loop' does not belong in FILE_CHECK but in"),
    ],
)
def test_errors(checker: str, lines: str, error: str) -> None:
    files = "track_file f {\nfile /run/f\n}\n" if lines.startswith("track_file f\n") else ""
    assert errors(files + inside(checker, lines))[0].startswith(error)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("retry 0", "retry: '0' is no whole number from 1 to 4294967295"),
        ("connect_timeout 0", "connect_timeout: '0' is no number of seconds"),
        ("delay_loop 0", "delay_loop: '0' is no number of seconds from 0.001 to 2678400"),
        ("warmup -1", "warmup: '-1' is no number of seconds"),
        ("virtualhost 'a b'", "virtualhost: 'a b' is no host's name"),
        ("connect_ip 10.9.1.1", "'connect_ip' does not belong in"),
        ("log_all_failures", "'log_all_failures' does not belong in"),
    ],
)
def test_errors_around_the_checkers(line: str, error: str) -> None:
    (outer,) = errors(server(line))
    assert outer.startswith(f"2: {error}")
    (inner,) = errors(server(inside=line))
    assert inner.startswith(f"3: {error}")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("certificate x", "certificate: 'x' is no absolute path; begin it with /"),
        ("verify on", "unknown keyword 'verify' in SSL; remove it"),
    ],
)
def test_errors_of_ssl(text: str, error: str) -> None:
    (said,) = errors(f"SSL {{\n{text}\n}}\n" + server())
    assert said.startswith(f"2: {error}")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("checker", "lines", "warning"),
    [
        ("HTTP_GET", f"{URL}regex_no_match\n}}", "5: regex_no_match has no effect here: there is no regex"),
        ("HTTP_GET", f"{URL}regex_options utf\n}}", "5: regex_options has no effect here: there is no regex"),
        ("HTTP_GET", f"{URL}regex_min_offset 5\n}}", "5: regex_min_offset has no effect here: there is no"),
        ("HTTP_GET", f"{URL}regex_max_offset 5\n}}", "5: regex_max_offset has no effect here: there is no"),
        (
            "HTTP_GET",
            f"{URL}regex a\nregex_options no_start_optimize\n}}",
            "6: regex_options no_start_optimize has no effect here; remove it",
        ),
        ("HTTP_GET", f"{URL}}}\nenable_sni", "6: enable_sni has no effect here: HTTP_GET does not speak TLS"),
        (
            "SSL_GET",
            f"{URL}}}\nenable_sni",
            "6: enable_sni has no effect here: there is no virtualhost to send",
        ),
        ("UDP_CHECK", "min_reply_length 5", "4: min_reply_length has no effect here: no reply is required"),
        ("UDP_CHECK", "max_reply_length 5", "4: max_reply_length has no effect here: no reply is required"),
        ("MISC_CHECK", "misc_path /nowhere/at/all", "4: misc_path: there is no '/nowhere/at/all' here; put"),
        ("TCP_CHECK", "log_all_failures", "4: log_all_failures has no effect here: a verdict names the last"),
    ],
)
def test_warnings(checker: str, lines: str, warning: str) -> None:
    (said,) = warnings(inside(checker, lines))
    assert said.startswith(warning)


def test_alpha_of_a_virtual_server_takes_no_value() -> None:
    text = server("alpha off", inside="TCP_CHECK { }")
    assert the_server(text)[1].alpha
    (said,) = warnings(text)
    assert said.startswith(
        "2: alpha takes no value here, and is on whatever stands after it; remove 'off', or alpha"
    )


def test_alpha_means_nothing_where_nothing_is_checked() -> None:
    text = server(inside="alpha")
    assert not the_server(text)[1].alpha
    (said,) = warnings(text)
    assert said.startswith("3: alpha has no effect here: nothing but FILE_CHECK, or nothing at all, checks")
    assert warnings(server("alpha")) == []


@pytest.mark.parametrize(
    ("outer", "real", "checkers", "alpha"),
    [
        (False, "", "TCP_CHECK { }", False),
        (True, "", "TCP_CHECK { }", True),
        (True, "alpha off", "TCP_CHECK { }", False),
        (True, "", "TCP_CHECK { alpha off }", False),
        (False, "", "TCP_CHECK { alpha }\nTCP_CHECK { }", True),
        (False, "alpha", "TCP_CHECK { alpha no }\nPING_CHECK { }", True),
    ],
)
def test_whose_alpha_counts(outer: bool, real: str, checkers: str, alpha: bool) -> None:
    text = server(*(("alpha",) if outer else ()), inside=f"{real}\n{checkers}")
    assert the_server(text)[1].alpha == alpha


@pytest.mark.parametrize(
    ("protocol", "checker", "warned"),
    [
        ("", "TCP_CHECK { }", True),
        ("", f"HTTP_GET {{ {URL}}}\n}}", True),
        ("", "SMTP_CHECK { }", True),
        ("", "DNS_CHECK { }", False),
        ("", "UDP_CHECK { }", False),
        ("", "PING_CHECK { }", False),
        ("protocol UDP", "TCP_CHECK { }", False),
    ],
)
def test_udp_by_default_is_told_where_tcp_is_checked(protocol: str, checker: str, warned: bool) -> None:
    text = f"virtual_server 10.9.0.1 80 {{\n{protocol}\nreal_server 10.9.1.21 80 {{\n{checker}\n}}\n}}\n"
    assert bool(warnings(text)) == warned


@pytest.mark.parametrize(
    ("words", "ranges"),
    [
        ("200", [(200, 200)]),
        ("200-299", [(200, 299)]),
        ("404 200", [(200, 200), (404, 404)]),
        ("201 200 202-204 203-206", [(200, 206)]),
        ("100-599 200", [(100, 599)]),
    ],
)
def test_status_codes_are_written_one_way(words: str, ranges: list[tuple[int, int]]) -> None:
    check = the_server(inside("HTTP_GET", f"{URL}status_code {words}\n}}"))[1].checks[0]
    assert isinstance(check, HttpCheck)
    assert check.requests[0].status == tuple(StatusRange(first=first, last=last) for first, last in ranges)


@pytest.mark.parametrize(
    ("version", "sent"), [("1.0", "1.0"), ("1.0C", "1.0"), ("1.0k", "1.0"), ("1.1", "1.1"), ("1.1K", "1.1")]
)
def test_versions_of_http(version: str, sent: str) -> None:
    check = the_server(inside("HTTP_GET", f"{URL}}}\nhttp_protocol {version}"))[1].checks[0]
    assert isinstance(check, HttpCheck)
    assert check.version == sent
    assert bool(check.requests[0].headers) == version.upper().endswith("K")


@pytest.mark.parametrize(
    ("words", "reply", "mask"),
    [
        ("", "", ""),
        ("0102", "0102", ""),
        ("1 2", "0102", ""),
        ("X", "00", "f0"),
        ("x1 FF", "01ff", "0fff"),
        ('"0a 0b" xx', "0a0b00", "ffff00"),
    ],
)
def test_replies(words: str, reply: str, mask: str) -> None:
    check = the_server(inside("UDP_CHECK", f"require_reply {words}"))[1].checks[0]
    assert isinstance(check, UdpCheck)
    assert (check.require_reply, check.reply, check.reply_mask) == (True, reply, mask)


def test_a_file_that_is_checked_is_followed_by_no_instance_and_that_is_no_mistake() -> None:
    text = "track_file f {\nfile /run/f\n}\n" + inside("FILE_CHECK", "track_file f")
    assert warnings(text) == []
    assert [check.path for check in the_server(text)[1].checks] == ["/run/f"]  # type: ignore[union-attr]
