"""Each algorithm distributes as its name says, and each timeout ends what it is for, with a real haproxy."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from haproxy_programmer.observed import SESSIONS, busy
from haproxy_programmer.render import generation
from tests.support.proxy_direct import ask, holding, one_pool, took, up
from tests.support.proxy_echo import Echo, echoes
from tests.support.waiting import eventually
from vipbus.contracts import Balance, PoolTimeouts, ProxyTimeouts, SourcePersistence


@pytest.fixture
def servers() -> Iterator[list[Echo]]:
    with echoes(3) as made:
        yield made


@pytest.mark.parametrize("algorithm", ["roundrobin", "static-rr"])
def test_turns_by_weight(servers: list[Echo], algorithm: str) -> None:
    with one_pool(servers, (1, 2, 3), balance=Balance(algorithm=algorithm)) as (_, port):
        counts = Counter(ask(port).port for _ in range(60))
    assert [counts[each.port] for each in servers] == [10, 20, 30]


def test_leastconn_leaves_out_who_is_busy(servers: list[Echo]) -> None:
    with (
        one_pool(servers, balance=Balance(algorithm="leastconn")) as (_, port),
        holding(port, servers) as busy,
    ):
        assert {ask(port).port for _ in range(12)} == {each.port for each in servers} - {busy}


def test_first_goes_on_only_when_one_is_full(servers: list[Echo]) -> None:
    balance = Balance(algorithm="first")
    with one_pool(servers, balance=balance, max_connections=1) as (running, port):

        def asked() -> int:
            """Ask once the one before is over for HAProxy, too, which is after its answer is here."""
            eventually(lambda: sum(busy(running.ask(SESSIONS)).values()) == held, "nobody else is served")
            return ask(port).port

        held = 0
        assert {asked() for _ in range(6)} == {servers[0].port}
        with holding(port, servers):
            held = 1
            assert {asked() for _ in range(6)} == {servers[1].port}


def test_random_reaches_everybody(servers: list[Echo]) -> None:
    with one_pool(servers, balance=Balance(algorithm="random")) as (_, port):
        assert {ask(port).port for _ in range(80)} == {each.port for each in servers}


HASHED = [
    ("source", None, lambda port, key: ask(port, source=f"127.0.0.{key}").port),
    ("uri", None, lambda port, key: ask(port, f"/{key}").port),
    ("url-param", "id", lambda port, key: ask(port, f"/?id={key}").port),
    ("header", "X-User", lambda port, key: ask(port, X_User=str(key)).port),
    ("rdp-cookie", "mstshash", lambda port, key: desktop(port, f"user{key}")),
]


@pytest.mark.parametrize("hashed", ["map-based", "consistent"])
@pytest.mark.parametrize(("algorithm", "parameter", "member_of"), HASHED)
def test_the_same_key_has_the_same_member(
    servers: list[Echo],
    algorithm: str,
    parameter: str | None,
    member_of: Callable[[int, int], int],
    hashed: str,
) -> None:
    balance = Balance(algorithm=algorithm, parameter=parameter, hash=hashed)  # type: ignore[arg-type]
    mode = "tcp" if algorithm == "rdp-cookie" else "http"
    with one_pool(servers, balance=balance, mode=mode) as (_, port):
        once = {key: member_of(port, key) for key in range(1, 41)}
        again = {key: member_of(port, key) for key in range(1, 41)}
    assert once == again
    assert set(once.values()) == {each.port for each in servers}


def desktop(port: int, user: str) -> int:
    """Begin as a remote desktop's client does ([MS-RDPBCGR], 2.2.1.1); who answers is known by the port."""
    cookie = f"Cookie: mstshash={user}\r\n".encode()
    request = bytes([6 + len(cookie), 0xE0, 0, 0, 0, 0, 0]) + cookie
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(bytes([3, 0, 0, 4 + len(request)]) + request)
        return int(client.recv(4096))


def test_consistent_moves_only_the_keys_of_who_went() -> None:
    with echoes(4) as servers:
        gone = servers[0].port
        for hashed, few in (("consistent", True), ("map-based", False)):
            balance = Balance(algorithm="uri", hash=hashed)  # type: ignore[arg-type]
            with one_pool(servers, balance=balance) as (running, port):
                before = {key: ask(port, f"/{key}").port for key in range(60)}
                assert not running.bring({"pool-web": [up(each.port) for each in servers[1:]]})
                after = {key: ask(port, f"/{key}").port for key in range(60)}
            moved = {key for key in before if before[key] != after[key]}
            assert (moved == {key for key in before if before[key] == gone}) is few


def test_a_static_algorithm_takes_0_and_back_by_command_and_another_weight_by_a_reload(
    servers: list[Echo],
) -> None:
    ports = [each.port for each in servers]
    with one_pool(servers, (2, 2, 2), balance=Balance(algorithm="static-rr")) as (running, port):
        first = generation(running.site)
        out = up(ports[0], 2)
        out = type(out)(address=out.address, port=out.port, weight=0, usual=2, state="up")
        assert not running.bring({"pool-web": [out, up(ports[1], 2), up(ports[2], 2)]})
        assert generation(running.site) == first
        assert {ask(port).port for _ in range(8)} == set(ports[1:])
        assert not running.bring({"pool-web": [up(each, 2) for each in ports]})
        assert {ask(port).port for _ in range(8)} == set(ports)
        refused = running.bring({"pool-web": [up(ports[0], 7), up(ports[1], 2), up(ports[2], 2)]})
        assert generation(running.site) != first
    assert "static" in refused[0]


def test_a_server_that_does_not_answer_is_504(servers: list[Echo]) -> None:
    with one_pool(servers, timeouts=PoolTimeouts(server=0.2)) as (_, port):
        began = time.monotonic()
        assert ask(port, "/hold").status == 504
    assert 0.15 < took(began) < 5


def test_a_request_that_does_not_end_is_408(servers: list[Echo]) -> None:
    with (
        one_pool(servers, front={"timeouts": ProxyTimeouts(http_request=0.2)}) as (_, port),
        socket.create_connection(("127.0.0.1", port), 5) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a")
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_who_waits_too_long_in_the_queue_is_told_503(servers: list[Echo]) -> None:
    with (
        one_pool(servers[:1], max_connections=1, timeouts=PoolTimeouts(queue=0.2)) as (_, port),
        holding(port, servers),
    ):
        assert ask(port).status == 503


def test_where_too_many_wait_for_a_member_the_next_goes_to_another(servers: list[Echo]) -> None:
    two = servers[:2]
    limits = {"max_connections": 1, "max_queue": 1, "persistence": SourcePersistence()}
    with one_pool(two, **limits) as (running, port):
        mine = ask(port).port  # it keeps to that one once it was answered
        with holding(port, two) as held:
            assert held == mine
            waits = threading.Thread(target=ask, args=(port,))
            waits.start()
            eventually(lambda: 2 in busy(running.ask(SESSIONS)).values(), "one is served, one waits")
            assert ask(port).port == next(each.port for each in two if each.port != mine)
        waits.join()


def test_bytes_go_through_and_a_silent_connection_ends_by_the_tunnels_timeout(servers: list[Echo]) -> None:
    # the other two are for requests: in mode tcp the tunnel begins with the connection
    with (
        one_pool(servers, mode="tcp", timeouts=PoolTimeouts(tunnel=0.3)) as (_, port),
        socket.create_connection(("127.0.0.1", port), 5) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(9) == b"HTTP/1.1 "
        while client.recv(4096):
            pass
