"""A world for each story."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.nats import NatsServer
from tests.unit.ipvs_programmer.world import Story, world


@pytest.fixture
def tell(nats_server: NatsServer, tmp_path: Path) -> Callable[[Story], None]:
    """Tell a story in a world of its own."""

    async def run(story: Story) -> None:
        async with world(nats_server, tmp_path / "state") as told, asyncio.timeout(60):
            await story(told)

    return lambda story: asyncio.run(run(story))
