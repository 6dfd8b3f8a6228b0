"""What the idle bench starts, and what it reads of processes."""

from __future__ import annotations

import os
import time

import pytest

from config_service.keepalived.compile import compile_text
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.outside import Outside
from tests.bench.idle import addresses, keepalived_conf
from tests.bench.process import usage
from vipbus.contracts import VrrpInstance
from vipbus.runtime.secrets import Secrets


def test_five_hundred_instances_have_a_place_each() -> None:
    text = keepalived_conf("a", 500, 150)
    found = compile_text(text, "k.conf", None, "a", Outside(Secrets.in_memory().reference, Names()))
    instances = [each for each in found.entities if isinstance(each, VrrpInstance)]
    assert len({(each.family, each.virtual_router_id) for each in instances}) == 500
    assert {f"{one.address}/{one.prefix}" for each in instances for one in each.virtual_ipaddress} == {
        address for _, address in addresses(500)
    }


def test_more_do_not_fit_on_one_interface() -> None:
    with pytest.raises(ValueError, match="at most 500"):
        keepalived_conf("a", 501, 150)


def test_time_on_the_processor_and_memory_are_this_process_s_own() -> None:
    before = usage([os.getpid()])
    ballast = bytearray(os.urandom(32 << 20))
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    after = usage([os.getpid()])
    assert after.processes == 1
    assert 0.05 <= after.seconds - before.seconds <= 5
    assert after.resident - before.resident > len(ballast) * 0.9
    assert after.shared - before.shared > len(ballast) * 0.9
    assert after.shared <= after.resident
    both = usage([os.getpid(), os.getppid()])
    assert both.processes == 2
    assert both.seconds > after.seconds
