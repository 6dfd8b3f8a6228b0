"""A bad file, a truncated file, a file of noise: a clear error, the running revision untouched."""

from __future__ import annotations

import random
import re
import time

import pytest

from tests.lab.lab import Lab
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs


def bad(good: str) -> bytes:
    return good.replace("lb_algo rr", "lb_algo fastest").encode()


def truncated(good: str) -> bytes:
    return good[: len(good) * 2 // 3].rsplit("\n", 1)[0].encode()


def noise(good: str) -> bytes:
    return random.Random(1).randbytes(len(good))


@pytest.mark.parametrize("damage", [bad, truncated, noise])
def test_a_refused_file_changes_nothing(lab: Lab, damage: object) -> None:
    assert callable(damage)
    r1 = lab.vipbus("r1")
    good = r1.configuration.read_text()
    refused = r1.events("vipbus.event.config.r1.refused")
    accepted = r1.events("vipbus.event.config.r1.accepted")
    begin = time.monotonic()
    r1.configuration.write_bytes(damage(good))
    try:
        checked = r1.vipbus("config", "check", str(r1.configuration))
        assert checked.returncode == 2
        assert re.search(
            rf"{re.escape(str(r1.configuration))}:\d+(?::\d+)?: ", checked.stdout + checked.stderr
        )

        r1.reload()
        eventually(
            lambda: len(r1.events("vipbus.event.config.r1.refused")) == len(refused) + 1,
            "the refusal is an event",
        )
        assert f"{r1.configuration.name}:" in str(r1.events("vipbus.event.config.r1.refused")[-1])
        reloaded = r1.ask("config", "reload")
        assert reloaded.returncode == 2
        assert re.search(r"keepalived\.conf:\d+(?::\d+)?: ", reloaded.stdout + reloaded.stderr)
    finally:
        r1.configuration.write_text(good)
    assert r1.events("vipbus.event.config.r1.accepted") == accepted
    assert lab.serves("r1")
    assert r1.ask("config", "reload").returncode == 0
    assert lab.client.seen(begin).failed == 0


def test_a_good_file_is_taken_on_reload(lab: Lab) -> None:
    r1 = lab.vipbus("r1")
    good = r1.configuration.read_text()
    r1.configuration.write_text(good.replace("weight 1", "weight 3", 1))
    try:
        r1.reload()
        eventually(
            lambda: r1.table()[f"{lab.address}:80"].destinations["10.9.0.21:80"] == 3, "the weight is written"
        )
    finally:
        r1.configuration.write_text(good)
        assert r1.ask("config", "reload").returncode == 0
    eventually(
        lambda: r1.table()[f"{lab.address}:80"].destinations["10.9.0.21:80"] == 1, "the weight is back"
    )


def test_a_run_with_a_bad_file_says_where_and_ends(lab: Lab) -> None:
    r1 = lab.vipbus("r1")
    damaged = lab.directory / "damaged.conf"
    damaged.write_bytes(bad(r1.configuration.read_text()))
    ended = r1.vipbus("run", "-f", str(damaged), "--state-dir", str(lab.directory / "other"))
    assert ended.returncode != 0
