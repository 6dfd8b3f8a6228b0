"""A file with every keyword of the checkers: it compiles, and this is what it means."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.unit.config_service.support import compiled
from vipbus.contracts import (
    Check,
    DnsCheck,
    Entity,
    FileCheck,
    Header,
    HttpCheck,
    HttpRequest,
    PingCheck,
    Program,
    RealServer,
    ScriptCheck,
    SmtpCheck,
    StatusRange,
    TcpCheck,
    Tls,
    UdpCheck,
)

CHECKS = (Path(__file__).parent / "checks.conf").read_text()


def real_server(last: int) -> RealServer:
    (found,) = (
        one
        for one in compiled(CHECKS).entities
        if isinstance(one, RealServer) and one.address == f"10.9.1.{last}"
    )
    return found


def wanted(check: Check) -> Check:
    """Turn a check with the knobs of its kind's long example in the file into what it compiles to."""
    return msgspec.structs.replace(
        check, source="10.9.0.9", source_port=1234, interface="eth1", mark=7, interval=5.0
    )


def test_it_can_be_read_again() -> None:
    found = compiled(CHECKS, router=None)
    assert found.summary == "0 instances, 3 virtual servers, 8 real servers"
    for entity in found.entities:
        assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity


def test_what_has_no_effect_is_told() -> None:
    said = [f"{one.line}: {one.text}" for one in compiled(CHECKS).warnings]
    starts = [
        "6: checker_log_all_failures has no effect here: a verdict names the last cause",
        "10: ca has no effect here: keepalived verifies no certificate",
        "53: enable_sni has no effect here: HTTP_GET does not speak TLS",
        "54: sni_name has no effect here: HTTP_GET does not speak TLS",
        "55: tls_compliant has no effect here",
        "66: regex_stack has no effect here",
        "89: log_all_failures has no effect here",
        "93: tls_compliant has no effect here",
        "141: log_all_failures has no effect here",
        "206: connect_port has no effect here: an ICMP echo request has no port",
        "209: bind_port has no effect here: an ICMP echo request has no port",
        "249: delay_loop inside host holds for the whole SMTP_CHECK; move it there",
        "250: log_all_failures inside host holds for the whole SMTP_CHECK; move it there",
        "255: retry inside host holds for the whole SMTP_CHECK; move it there",
        "256: delay_before_retry inside host holds for the whole SMTP_CHECK; move it there",
        "257: warmup inside host holds for the whole SMTP_CHECK; move it there",
        "258: alpha inside host holds for the whole SMTP_CHECK; move it there",
    ]
    assert [text[: len(start)] for text, start in zip(said, starts, strict=True)] == starts


def test_http_get() -> None:
    found = real_server(1)
    assert not found.alpha
    assert found.checks == (
        HttpCheck(
            address="10.9.2.1",
            port=8080,
            interval=5.0,
            timeout=2.5,
            retry=0,
            delay_before_retry=0.5,
            warmup=0.0,
            source="10.9.0.9",
            source_port=1234,
            interface="eth1",
            mark=7,
            version="1.0",
            fast_recovery=True,
            requests=(
                HttpRequest(
                    path="/index.html?a=b",
                    host="other.example.org",
                    status=(
                        StatusRange(first=200, last=205),
                        StatusRange(first=301, last=302),
                        StatusRange(first=404, last=404),
                    ),
                    digest="9b3a0c85a887a256d6939da88aabd8cd",
                    regex='^it "works"',
                    regex_no_match=True,
                    regex_options=(
                        "caseless",
                        "dotall",
                        "extended",
                        "firstline",
                        "multiline",
                        "ungreedy",
                        "utf",
                    ),
                    regex_min_offset=5,
                    regex_max_offset=10,
                ),
                HttpRequest(path="/", host="static.example.org"),
            ),
        ),
    )


def test_ssl_get() -> None:
    tls = Tls(
        verify=False,
        warn_before=0.0,
        certificate="/etc/vipbus/client.pem",
        key="/etc/vipbus/client.key",
    )
    one, two, three = real_server(2).checks
    www = HttpCheck(
        address="10.9.2.2",
        port=8443,
        timeout=2.5,
        retry=1,
        delay_before_retry=0.5,
        warmup=1.0,
        version="1.1",
        tls=msgspec.structs.replace(tls, server_name="www.example.org"),
        requests=(
            HttpRequest(path="/one", host="www.example.org"),
            HttpRequest(path="/three", host="www.example.org"),
        ),
    )
    assert one == wanted(www)
    assert two == msgspec.structs.replace(
        wanted(www),
        tls=msgspec.structs.replace(tls, server_name="two.example.org"),
        requests=(HttpRequest(path="/two", host="two.example.org:8443"),),
    )
    assert three == HttpCheck(
        address="10.9.1.2",
        port=443,
        interval=10.0,
        timeout=3.0,
        retry=3,
        delay_before_retry=1.5,
        warmup=4.0,
        version="1.1",
        tls=msgspec.structs.replace(tls, server_name="sni.example.org"),
        requests=(
            HttpRequest(path="/", host="10.9.1.2", headers=(Header(name="Connection", value="keep-alive"),)),
        ),
    )
    assert real_server(2).alpha


def test_tcp_check_and_whose_word_counts() -> None:
    found = real_server(3)
    assert (found.weight, found.alpha) == (5, True)
    assert found.checks == (
        TcpCheck(
            address="10.9.1.3",
            port=443,
            interval=20.0,
            timeout=6.0,
            retry=5,
            delay_before_retry=2.0,
            warmup=8.0,
        ),
        TcpCheck(
            address="2001:db8::3",
            port=8443,
            interval=0.5,
            timeout=0.25,
            retry=1,
            delay_before_retry=0.0,
            warmup=0.0,
            source="2001:db8::9",
            source_port=1234,
            interface="eth1",
            mark=2**32 - 1,
        ),
        HttpCheck(
            address="10.9.1.3",
            port=443,
            interval=20.0,
            timeout=6.0,
            retry=6,
            delay_before_retry=2.0,
            warmup=8.0,
            version="1.0",
            requests=(HttpRequest(host="rs.example.org"),),
        ),
    )


LONG = {"timeout": 1.0, "retry": 0, "delay_before_retry": 1.0, "warmup": 1.0}


def test_dns_check() -> None:
    default, full = real_server(4).checks
    assert default == DnsCheck(
        address="10.9.1.4",
        port=53,
        interval=30.0,
        retry=3,
        delay_before_retry=30.0,
        type="SOA",
        name=".",
        allow_empty=True,
    )
    assert full == wanted(
        DnsCheck(address="10.9.2.4", port=5353, type="AAAA", name="www.example.org", allow_empty=True, **LONG)
    )


def test_udp_check() -> None:
    full, default, text = real_server(5).checks
    assert full == wanted(
        UdpCheck(
            address="10.9.2.5",
            port=5000,
            payload="ab120f0345065464431203",
            require_reply=True,
            reply="0010020003",
            reply_mask="f0f0ff00ff",
            min_reply_length=2,
            max_reply_length=512,
            **LONG,
        )
    )
    assert default == UdpCheck(address="10.9.1.5", port=53, interval=30.0)
    assert text == UdpCheck(address="10.9.1.5", port=53, interval=30.0, payload="0d0a", require_reply=True)


def test_ping_check() -> None:
    (found,) = real_server(6).checks
    assert found == msgspec.structs.replace(
        wanted(PingCheck(address="10.9.2.6", port=53, **LONG)), source_port=0
    )


def test_smtp_check_and_its_hosts() -> None:
    own, same, other, *second = real_server(7).checks
    knobs = {**LONG, "timeout": 4.0, "helo_name": "lb.example.org"}
    assert own == wanted(SmtpCheck(address="10.9.2.7", port=2525, **knobs))
    assert same == SmtpCheck(address="10.9.1.7", port=25, interval=5.0, **knobs)
    assert other == SmtpCheck(
        address="10.9.2.8",
        port=587,
        interval=5.0,
        source="10.9.0.8",
        source_port=2345,
        interface="eth2",
        mark=8,
        **{**knobs, "timeout": 8.0},
    )
    plain = SmtpCheck(
        address="10.9.1.7",
        port=25,
        interval=7.0,
        retry=3,
        delay_before_retry=2.0,
        warmup=3.0,
        helo_name="smtpchecker.keepalived.org",
    )
    assert second == [plain, plain]
    assert real_server(7).alpha


def test_misc_check_and_file_check() -> None:
    found = real_server(8)
    assert found.alpha
    assert found.checks == (
        ScriptCheck(
            address="10.9.1.8",
            port=25,
            interval=15.0,
            timeout=4.0,
            retry=1,
            delay_before_retry=2.0,
            warmup=3.0,
            program=Program(arguments=("/bin/true", "one", "two three"), user="nobody", group="nogroup"),
            dynamic=True,
            secure=True,
        ),
        ScriptCheck(
            address="10.9.1.8",
            port=25,
            interval=60.0,
            timeout=60.0,
            retry=0,
            program=Program(arguments=("/bin/true",), user="root"),
            secure=True,
        ),
        *(
            FileCheck(
                address="10.9.1.8", port=25, interval=1.0, timeout=1.0, retry=0, path=path, weight=weight
            )
            for path, weight in (
                ("/run/vipbus/load", -3),
                ("/run/vipbus/load", 5),
                ("/run/vipbus/state", -(2**31 - 1)),
            )
        ),
    )


@pytest.mark.parametrize("kind", ["SMTP_CHECK", "HTTP_GET", "SSL_GET", "TCP_CHECK", "DNS_CHECK", "UDP_CHECK"])
def test_a_checker_goes_to_the_real_server_by_itself(kind: str) -> None:
    url = "url { path /\n}" if kind in ("HTTP_GET", "SSL_GET") else ""
    text = (
        "virtual_server 10.9.0.1 80 {\nprotocol TCP\nlb_kind DR\n"
        f"real_server 10.9.1.1 81 {{\n{kind} {{ {url} }}\n}}\n}}\n"
    )
    (found,) = (one for one in compiled(text).entities if isinstance(one, RealServer))
    assert found.port == 80
    assert [(check.address, check.port) for check in found.checks] == [("10.9.1.1", 81)]
