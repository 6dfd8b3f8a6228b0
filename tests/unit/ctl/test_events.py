"""Subjects as operators write them, and one line for every kind of message."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctl.subject import pattern
from ctl.summary import _SAY, cloud_event, happened, line, summary
from ctl.words import from_token, span
from tests.unit.ctl.documents import BEFORE, head, instance, real_server, role, table, verdict, virtual_server
from vipbus.bus import Record
from vipbus.contracts import (
    BUCKETS,
    EVENTS,
    AddressRestored,
    AddressYielded,
    ConfigAccepted,
    ConfigRefused,
    DestinationSuspected,
    DrainBegun,
    DrainEnded,
    DriftRepaired,
    DualMasterOver,
    DualMasterSeen,
    Event,
    HandedOver,
    InstanceTable,
    IpvsSettings,
    NotifyFailed,
    ObjectRestored,
    OperatorState,
    Pool,
    PoolHeld,
    PoolReleased,
    Program,
    Proxy,
    ProxyBind,
    ProxyMember,
    ProxyMemberChanged,
    ProxyPeer,
    ProxyPeers,
    ProxyPool,
    ProxyPoolTable,
    ProxyProcess,
    ProxyRefused,
    ProxyReloaded,
    ProxyRequestTold,
    ProxySettings,
    QuorumChanged,
    ServiceRestarted,
    SettingChanged,
    StaticAddress,
    SteppedDown,
    SyncDaemon,
    SyncDaemonChanged,
    SyncGroup,
    TrackChanged,
    TrackFile,
    TrackProcess,
    VirtualAddress,
    VrrpScript,
    VrrpSettings,
)
from vipbus.contracts.asyncapi import bucket_documents
from vipbus.telemetry.logs import plain


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vipbus.>", "vipbus.>"),
        (">", "vipbus.>"),
        ("vipbus", "vipbus.>"),
        ("state.health.>", "vipbus.state.health.>"),
        ("state.health", "vipbus.state.health.>"),
        ("state", "vipbus.state.>"),
        ("event", "vipbus.event.>"),
        ("event.config", "vipbus.event.config.>"),
        ("event.*.router-a.*", "vipbus.event.*.router-a.*"),
        ("vipbus.state.role.router-a.vi_1", "vipbus.state.role.router-a.vi_1"),
        ("vipbus.*.config.>", "vipbus.*.config.>"),
    ],
)
def test_subjects(text: str, expected: str) -> None:
    assert pattern(text) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("health.>", "'health.>' is not in the history; subjects there begin with state. or event."),
        ("vipbus.cmd.>", "is not in the history"),
        ("", "is not in the history"),
        ("state..x", "has an empty token"),
        ("state.", "has an empty token"),
        ("state.a b", "has a space"),
        ("state.a\tb", "has a space"),
        ("state.he*.x", "* stands for one whole word"),
        ("state.>.x", "> stands alone and at the end"),
        ("state.x>", "> stands alone and at the end"),
    ],
)
def test_bad_subjects(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        pattern(text)
    assert error in str(raised.value)


@given(st.text())
def test_any_text_is_a_subject_or_one_error(text: str) -> None:
    try:
        found = pattern(text)
    except ValueError as error:
        said = str(error)
        assert "\n" not in said  # either outcome is right, each in its way
    else:
        assert found.startswith("vipbus.")
        assert not any(letter.isspace() for letter in found)


def record(subject: str, body: object, **headers: str) -> Record:
    return Record(
        subject=subject,
        sequence=7,
        stored=BEFORE,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=body if isinstance(body, bytes) else msgspec.json.encode(body),
    )


ARMED = InstanceTable(
    router="router-a", instance="VI_1", epoch=3, armed=True, virtual_servers=1, destinations=2, revision=3
)
STATIC = StaticAddress(address=VirtualAddress(address="10.9.0.9", prefix=24, dev="eth0"))
STATES = [
    ("role", role("router-a"), "router-a VI_1 active (epoch 3): no advertisement for 3.6 s"),
    (
        "role",
        msgspec.structs.replace(role("router-a"), effective_priority=130),
        "router-a VI_1 active (epoch 3, priority 130 of 150): no advertisement for 3.6 s",
    ),
    ("health", verdict("10.9.0.21"), "10.9.0.21:80 of 10.9.0.1:80 TCP up: answered in 0.4 ms"),
    *(
        (
            "operator",
            OperatorState(
                virtual_server="10-9-0-1_80_tcp",
                real_server="10-9-0-21_80",
                state=state,  # type: ignore[arg-type]  # the loop names only such states
                by="ann",
                since=BEFORE,
                why=why,
            ),
            f"10.9.0.21:80 of 10.9.0.1:80 TCP {said}",
        )
        for state, why, said in (
            ("drain", "new disk", "drained by ann: new disk"),
            ("disable", "", "disabled by ann"),
        )
    ),
    (
        "table",
        table("router-a"),
        "router-a 10.9.0.1:80 TCP has 10.9.0.21:80 weight 1, 10.9.0.22:80 weight 1: VI_1 is active",
    ),
    (
        "table",
        table("router-a", programmed=False),
        "router-a 10.9.0.1:80 TCP not in the table: VI_1 is backup",
    ),
    ("table", table("router-a", error="EPERM"), "router-a 10.9.0.1:80 TCP failed: EPERM"),
    ("table", ARMED, "router-a VI_1 (epoch 3) is armed: 1 virtual server, 2 destinations"),
    (
        "table",
        msgspec.structs.replace(ARMED, armed=False, error="no IPVS"),
        "router-a VI_1 (epoch 3) is not armed: no IPVS",
    ),
    (
        "config",
        head("router-a"),
        "router-a revision 3 of /etc/keepalived/keepalived.conf is whole, 4 entities",
    ),
    ("config", instance("router-a"), "router-a VI_1 on eth0, VRID 51, priority 150: 10.9.0.1"),
    (
        "config",
        Pool(router="router-a", pool="10-9-0-1_80_tcp", virtual_server=virtual_server("router-a")),
        "router-a virtual server 10.9.0.1:80 TCP, wrr, DR: no real servers",
    ),
    (
        "config",
        SyncGroup(router="router-a", name="VG_1", members=("VI_1", "VI_2")),
        "router-a sync group VG_1: VI_1, VI_2",
    ),
    (
        "config",
        VrrpScript(
            router="router-a", name="chk", command=Program(arguments=("/bin/check", "80")), interval=2
        ),
        "router-a script chk every 2 s: /bin/check 80",
    ),
    (
        "config",
        TrackFile(router="router-a", name="drain", path="/run/drain"),
        "router-a tracked file drain: /run/drain",
    ),
    (
        "config",
        TrackProcess(router="router-a", name="proxy", process="haproxy", quorum=2),
        "router-a tracked process proxy: 2 or more of haproxy",
    ),
    (
        "config",
        TrackProcess(router="router-a", name="proxy", process="haproxy", quorum=1, quorum_max=3),
        "router-a tracked process proxy: 1 to 3 of haproxy",
    ),
    ("config", VrrpSettings(router="router-a"), "router-a settings of vrrp-agent"),
    (
        "config",
        VrrpSettings(router="router-a", static_addresses=(STATIC, STATIC)),
        "router-a settings of vrrp-agent, 2 static addresses",
    ),
    (
        "config",
        IpvsSettings(router="router-a", sync_daemon=SyncDaemon(interface="eth0")),
        "router-a settings of ipvs-programmer, connection sync on eth0",
    ),
    (
        "config",
        Pool(
            router="router-a",
            pool="10-9-0-1_80_tcp",
            part=1,
            real_servers=(real_server("router-a", "10.9.0.21"), real_server("router-a", "10.9.0.22")),
        ),
        "router-a more of 10.9.0.1:80 TCP: 10.9.0.21:80 weight 1, 10.9.0.22:80 weight 1",
    ),
    (
        "config",
        Proxy(router="router-a", name="web", bind=(ProxyBind(address="10.9.0.1", port=80),), pool="app"),
        "router-a proxy web on 10.9.0.1:80, pool app",
    ),
    ("config", ProxyPool(router="router-a", name="app"), "router-a pool app, roundrobin"),
    (
        "config",
        ProxySettings(router="router-a", global_snippet="tune.bufsize 32768"),
        "router-a settings of haproxy-programmer, lines for global",
    ),
    (
        "config",
        ProxyPeers(
            router="router-a",
            peers=(
                ProxyPeer(router="router-a", address="10.9.0.2", port=8555),
                ProxyPeer(router="router-b", address="fd00::3", port=8555),
            ),
        ),
        "router-a proxies tell what clients stick to: router-a 10.9.0.2:8555, router-b [fd00::3]:8555",
    ),
    (
        "proxy",
        ProxyPoolTable(
            router="router-a",
            pool="app",
            members=(ProxyMember(address="10.9.0.21", port=80, slot="s1", state="up", weight=1),),
            revision=3,
            cause="revision 3",
        ),
        "router-a pool app has 10.9.0.21:80 up weight 1: revision 3",
    ),
    (
        "proxy",
        ProxyPoolTable(router="router-a", pool="app", revision=3, cause="", error="no such backend"),
        "router-a pool app failed: no such backend",
    ),
    (
        "proxy-process",
        ProxyProcess(router="router-a", answers=True, cause="it answers", since=BEFORE),
        "router-a haproxy answers: it answers",
    ),
    (
        "proxy-process",
        ProxyProcess(router="router-a", answers=False, cause="no answer within 5 s", since=BEFORE),
        "router-a haproxy DOES NOT ANSWER: no answer within 5 s",
    ),
]
HAPPENED: list[tuple[Event, str]] = [
    (
        DriftRepaired(router="router-a", virtual_server="10-9-0-1_80_tcp", repairs=("add destination x",)),
        "router-a 10.9.0.1:80 TCP was changed by someone else; add destination x",
    ),
    (
        ConfigAccepted(router="router-a", revision=3, source="lb.conf", added=4, changed=1, removed=0),
        "router-a accepted revision 3 of lb.conf: 4 added, 1 changed, 0 removed",
    ),
    (
        ConfigAccepted(
            router="a", revision=4, source="x", added=0, changed=1, removed=0, warnings=("x:1: no", "x:2: no")
        ),
        "a accepted revision 4 of x: 0 added, 1 changed, 0 removed, 2 warnings",
    ),
    (
        ConfigRefused(router="router-a", source="lb.conf", reason="lb.conf:3: no", running_revision=2),
        "router-a refused lb.conf, revision 2 stays: lb.conf:3: no",
    ),
    (
        ServiceRestarted(router="router-a", service="vrrp-agent", reason="killed by SIGKILL", restarts=1),
        "router-a vrrp-agent started again (1 time): killed by SIGKILL",
    ),
    (
        AddressRestored(router="router-a", instance="VI_1", address="10.9.0.1"),
        "router-a VI_1 put 10.9.0.1 back",
    ),
    (
        DualMasterSeen(
            router="router-a", instance="VI_1", other="192.0.2.2", other_priority=100, winner="192.0.2.1"
        ),
        "router-a VI_1: 192.0.2.2 (priority 100) advertised while this router was active; 192.0.2.1 goes on",
    ),
    (
        DualMasterOver(router="router-a", instance="VI_1", other="192.0.2.2", lasted=3.21),
        "router-a VI_1: 192.0.2.2 is silent again after 3.21 s; the addresses are announced again",
    ),
    (
        AddressYielded(router="router-a", instance="VI_1", address="10.9.0.1"),
        "router-a VI_1 lost 10.9.0.1 and left the role to another router",
    ),
    (
        SteppedDown(router="router-a", instance="VI_1", late=4.0),
        "router-a VI_1 gave up its role: it was stalled and silent for 4 s",
    ),
    (
        HandedOver(router="router-a", instance="VI_1", to="router-b"),
        "router-a VI_1 hands over to router-b",
    ),
    (HandedOver(router="router-a", instance="VI_1", to=None), "router-a VI_1 hands over to whoever is next"),
    (
        TrackChanged(router="router-a", kind="script", name="chk", up=False, cause="exit status 1"),
        "router-a script chk is down: exit status 1",
    ),
    (
        TrackChanged(router="router-a", kind="file", name="drain", up=True, value=20, cause="changed"),
        "router-a file drain is up with value 20: changed",
    ),
    (
        ObjectRestored(router="router-a", instance="VI_1", what="route 10.0.0.0/8 via 10.9.0.254"),
        "router-a VI_1 put back route 10.0.0.0/8 via 10.9.0.254",
    ),
    (
        PoolHeld(
            router="router-a", virtual_server="10-9-0-1_80_tcp", down=("10-9-0-21_80", "10-9-0-22_80"), of=3
        ),
        (
            "router-a 10.9.0.1:80 TCP is held as it was: 2 of 3 real servers went down at once "
            "(10.9.0.21:80, 10.9.0.22:80), so the probers may be blind"
        ),
    ),
    (
        PoolReleased(router="router-a", virtual_server="10-9-0-1_80_tcp", cause="10.9.0.21:80 is up"),
        "router-a 10.9.0.1:80 TCP follows its verdicts again: 10.9.0.21:80 is up",
    ),
    (
        DestinationSuspected(
            router="router-a", virtual_server="10-9-0-1_80_tcp", real_server="10-9-0-21_80", inactive=40
        ),
        "router-a suspects 10.9.0.21:80 of 10.9.0.1:80 TCP: 40 inactive connections and no active one",
    ),
    (
        QuorumChanged(
            router="router-a",
            virtual_server="fwm-7_ipv6",
            met=False,
            weight=1,
            quorum=3,
            hysteresis=1,
            sorry_server="10-9-0-9_80",
            cause="10.9.0.21:80 is down",
        ),
        (
            "router-a FWM 7 IPv6 has lost its quorum (weight 1, quorum 3, hysteresis 1); 10.9.0.9:80 serves "
            "instead: 10.9.0.21:80 is down"
        ),
    ),
    (
        DrainBegun(
            router="router-a",
            virtual_server="10-9-0-1_80_tcp",
            real_server="10-9-0-21_80",
            connections=2,
            until="2026-01-01T00:05:00Z",
            cause="revision 2",
        ),
        (
            "router-a drains 10.9.0.21:80 of 10.9.0.1:80 TCP, 2 connections, until 2026-01-01T00:05:00Z at "
            "the latest: revision 2"
        ),
    ),
    (
        DrainEnded(
            router="router-a",
            virtual_server="10-9-0-1_80_tcp",
            real_server="10-9-0-21_80",
            outcome="deadline",
            connections=1,
        ),
        "router-a 10.9.0.21:80 of 10.9.0.1:80 TCP is gone at its drain's end, with 1 connection",
    ),
    (
        SyncDaemonChanged(
            router="router-a", running=("master",), interface="eth0", sync_id=51, cause="VI_1 is active"
        ),
        "router-a connection sync runs as master on eth0, id 51: VI_1 is active",
    ),
    (
        SettingChanged(router="router-a", name="net.ipv4.ip_forward", before="0", value="1", set=True),
        "router-a net.ipv4.ip_forward is set to 1, was 0",
    ),
    (
        NotifyFailed(
            router="router-a", virtual_server="10-9-0-1_80_tcp", program="/bin/up", reason="exit status 1"
        ),
        "router-a 10.9.0.1:80 TCP /bin/up: exit status 1",
    ),
    (
        ProxyMemberChanged(
            router="router-a",
            pool="app",
            member="10.1.0.21:8080",
            state="down",
            weight=1,
            cause="Layer4 connection problem: Connection refused",
        ),
        "router-a pool app 10.1.0.21:8080 is down weight 1: Layer4 connection problem: Connection refused",
    ),
    (
        ProxyReloaded(router="router-a", cause="revision 4", seconds=0.0421),
        "router-a haproxy reloaded in 0.042 s: revision 4",
    ),
    (
        ProxyRefused(router="router-a", cause="revision 4", reason="no such backend"),
        "router-a haproxy refuses its configuration, what ran goes on: no such backend",
    ),
    (
        ProxyRequestTold(
            router="router-a",
            proxy="web",
            at=BEFORE,
            client="192.0.2.7",
            outcome="the real server refused or closed it before there was a connection",
            pool="app",
            real_server="10.1.0.21:8080",
            method="GET",
            host="shop.example",
            path="/cart",
            status=503,
            total=3.0041,
            retries=3,
        ),
        (
            "router-a proxy web, 192.0.2.7: GET shop.example/cart 503, the real server refused or closed it "
            "before there was a connection by 10.1.0.21:8080 of pool app in 3.004 s, retried 3 times"
        ),
    ),
    (
        ProxyRequestTold(
            router="router-a", proxy="db", at=BEFORE, client="192.0.2.7", outcome="ended as it should"
        ),
        "router-a proxy db, 192.0.2.7: connection ended as it should",
    ),
]


@pytest.mark.parametrize(("bucket", "document", "expected"), STATES)
def test_states_in_one_line(bucket: str, document: object, expected: str) -> None:
    assert summary(record(f"vipbus.state.{bucket}.a.b", document)) == expected


@pytest.mark.parametrize(("event", "expected"), HAPPENED)
def test_events_in_one_line(event: Event, expected: str) -> None:
    assert summary(record(event.subject, event)) == expected


def test_every_event_and_every_bucket_of_the_history_has_its_words() -> None:
    assert {type(event) for event, _ in HAPPENED} == set(EVENTS)
    said = {kind for kind, _ in _SAY}
    assert set(EVENTS) <= said
    documents = {kind for bucket in BUCKETS if not bucket.leases for kind in bucket_documents(bucket)}
    assert documents <= said
    assert documents == {type(document) for _, document, _ in STATES}
    assert {bucket for bucket, _, _ in STATES} == {found.name for found in BUCKETS if not found.leases}


def test_a_line_has_the_writers_local_time_and_the_short_subject() -> None:
    told = record("vipbus.state.role.a.b", role("router-a"), ce_time="2026-03-01T10:00:00.123456+00:00")
    assert line(told).startswith("2026-03-01 10:00:00.123 state.role.a.b router-a VI_1 active")
    for lie in ("yesterday", "", "2026-03-01T10:00:00"):
        told = record("vipbus.state.role.a.b", role("router-a"), ce_time=lie)
        assert line(told).startswith("2026-03-01 16:01:05.000 ")


@pytest.mark.parametrize(
    ("subject", "body", "expected"),
    [
        ("vipbus.state.role.a.b", b"{", "not readable: {"),
        ("vipbus.state.role.a.b", b"\xff\xfe", "not readable: \ufffd\ufffd"),
        ("vipbus.state.newer.a.b", b'{"x":1}', '{"x":1}'),
        ("vipbus.event.drain.x.ended", b'{"x":1}', '{"x":1}'),
        ("vipbus.event.odd", b"text", "text"),
        ("vipbus.event.drain.x.ended", b"x" * 500, "x" * 160 + "... (500 bytes)"),
        ("vipbus", b"", ""),
    ],
)
def test_what_is_not_known_is_shown_as_it_came(subject: str, body: bytes, expected: str) -> None:
    assert summary(record(subject, body)) == expected


@given(
    st.binary(max_size=300),
    st.sampled_from(["vipbus.state.table.a.b", "vipbus.event.config.a.accepted", "x"]),
)
def test_any_body_is_one_harmless_line_and_one_json_line(body: bytes, subject: str) -> None:
    told = record(subject, body)
    assert line(told).isprintable()
    assert b"\n" not in cloud_event(told)
    assert msgspec.json.decode(cloud_event(told))["subject"] == subject


def test_cloud_events_json_has_envelope_trace_and_data() -> None:
    told = record(
        "vipbus.state.role.router-a.vi_1",
        msgspec.json.format(msgspec.json.encode(role("router-a")), indent=2),
        ce_specversion="1.0",
        ce_id="abc",
        ce_type="vipbus.state.role",
        ce_source="vrrp-agent/router-a",
        ce_time="2026-03-01T10:00:00+00:00",
        traceparent="00-1-2-01",
    )
    event = msgspec.json.decode(cloud_event(told))
    data = event.pop("data")
    assert data["role"] == "active"
    assert event == {
        "specversion": "1.0",
        "id": "abc",
        "type": "vipbus.state.role",
        "source": "vrrp-agent/router-a",
        "time": "2026-03-01T10:00:00+00:00",
        "subject": "vipbus.state.role.router-a.vi_1",
        "sequence": "7",
        "traceparent": "00-1-2-01",
        "datacontenttype": "application/json",
    }


def test_a_removal_says_so() -> None:
    told = record("vipbus.state.role.a.b", b"", KV_Operation="DEL")
    assert summary(told) == "removed"
    event = msgspec.json.decode(cloud_event(told))
    assert event["operation"] == "removed"
    assert "data" not in event


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("10-9-0-21_80", "10.9.0.21:80"),
        ("10-9-0-1_80_tcp", "10.9.0.1:80 TCP"),
        ("2001-db8--1_443_tcp", "[2001:db8::1]:443 TCP"),
        ("--1_80", "[::1]:80"),
        ("something", "something"),
    ],
)
def test_tokens_are_read_back(token: str, expected: str) -> None:
    assert from_token(token) == expected


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (3600, "1 h"), (200_000, "2 d")]
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_plain() -> None:
    assert plain("a\033[2J\nb") == "a\ufffd[2J\ufffdb"


@pytest.mark.parametrize(
    "when", ["", "yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_time_that_is_none_is_the_buss(when: str) -> None:
    assert happened(record("vipbus.state.role.a.b", {}, **{"ce-time": when})) == BEFORE


def test_a_body_nested_without_end_is_shown_as_it_came() -> None:
    deep = record("vipbus.state.role.a.b", b'{"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert "not readable" in line(deep)
    assert b"data_base64" in cloud_event(deep)
