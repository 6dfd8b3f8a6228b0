"""Words come after deeds: of what is decided together, all is on its way before any of it is logged."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from health_prober.voice import Voice
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import HEALTH, Verdict


def test_all_is_said_before_any_of_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "health_prober.voice")

    async def told() -> None:
        bus = Bus(BusAddress(url="nats://127.0.0.1:1"), source="test")  # nobody is there, and nobody is asked
        voice = Voice(bus, bus.follow(HEALTH), lambda _key: True)
        keys = [f"10-9-0-1_80_tcp.10-9-1-{number}_80" for number in range(3)]
        for key in keys:
            pool, _, real = key.partition(".")
            verdict = Verdict(
                virtual_server=pool,
                real_server=real,
                verdict="down",
                cause="refused",
                since=datetime.now(UTC),
                prober="test",
                lease=1,
            )
            voice.say(key, verdict, None)
            assert voice.said.standing(key) == verdict
        assert not caplog.messages
        await asyncio.sleep(0)
        assert [message.split(" ")[0] for message in caplog.messages] == [
            f"10.9.1.{number}:80" for number in range(3)
        ]
        await voice.said.close()

    asyncio.run(told())
