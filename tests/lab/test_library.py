"""The lab's own judgement: what it counts, parses and orders, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import table
from tests.lab.client import Request, summarize
from tests.lab.declare import Declaration, Instance, RouterSpec
from tests.lab.guest.kernel import GuestError, load_order


def test_a_stretch_of_requests_is_counted_by_its_beginnings() -> None:
    requests = [
        Request(at=0.9, done=1.0, server="s1"),
        Request(at=1.0, done=1.1, server="s1"),
        Request(at=1.5, done=1.9, error="timed out"),
        Request(at=1.6, done=1.7, server="s2"),
        Request(at=2.0, done=2.1, server="s1"),
    ]
    seen = summarize(requests, 1.0, 2.0)
    assert (seen.good, seen.failed, seen.order) == (2, 1, ("s1", "s2"))
    assert seen.errors == {"timed out": 1}
    assert seen.longest_gap == pytest.approx(0.6)


def test_silence_is_one_gap() -> None:
    assert summarize([], 1.0, 4.5).longest_gap == 3.5


def test_a_saved_table_is_read() -> None:
    saved = (
        "-A -t 10.9.0.100:80 -s rr\n"
        "-a -t 10.9.0.100:80 -r 10.9.0.21:80 -g -w 1\n"
        "-a -t 10.9.0.100:80 -r 10.9.0.22:80 -g -w 0\n"
        "-A -u 10.9.0.100:53 -s wlc -p 300\n"
    )
    read = table.parse(saved)
    assert read["10.9.0.100:80"] == table.Service(
        "tcp", "10.9.0.100:80", "rr", {"10.9.0.21:80": 1, "10.9.0.22:80": 0}, frozenset({"DR"})
    )
    assert (read["10.9.0.100:53"].protocol, read["10.9.0.100:53"].destinations) == ("udp", {})


@pytest.mark.parametrize(
    ("version", "advert_int", "priority", "seconds"),
    [(2, 1.0, 100, 3.609), (3, 1.0, 100, 3.609), (3, 0.1, 100, 0.361), (2, 2.0, 100, 6.609)],
)
def test_the_master_down_interval_is_the_rfcs(
    version: int, advert_int: float, priority: int, seconds: float
) -> None:
    instance = Instance(version=version, advert_int=advert_int)  # type: ignore[arg-type]  # 2 and 3 only
    declaration = Declaration(routers=(RouterSpec("r1", priority),), instances=(instance,))
    assert declaration.master_down("r1") == pytest.approx(seconds, abs=0.001)


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text("net/c.ko: net/b.ko\nnet/b.ko: net/a.ko\nnet/a.ko:\nnet/d.ko:\n")
    ordered = load_order(tmp_path, ("d", "c", "a"))
    assert [path.name for path in ordered] == ["d.ko", "a.ko", "b.ko", "c.ko"]
    with pytest.raises(GuestError, match="no module e"):
        load_order(tmp_path, ("e",))
