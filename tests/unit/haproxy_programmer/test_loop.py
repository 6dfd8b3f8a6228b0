"""What wakes the programmer: changes that come together are one batch, and a stream of them has an end."""

from __future__ import annotations

import asyncio

from haproxy_programmer.loop import Wake, burst

_HANGS = 20


def story(changes: int | None) -> int:
    """Let changes come, one each turn of the loop, or without an end; count those of the first batch."""

    async def whole() -> int:
        wake = Wake()
        seen = 0

        async def come() -> None:
            nonlocal seen
            while changes is None or seen < changes:
                seen += 1
                wake.set()
                await asyncio.sleep(0)

        coming = asyncio.ensure_future(come())
        await asyncio.sleep(0)
        await burst(wake)
        assert not wake.changes
        coming.cancel()
        return seen

    return asyncio.run(asyncio.wait_for(whole(), _HANGS))


def test_what_comes_together_is_one_batch() -> None:
    assert story(1) == 1
    assert story(50) == 50


def test_a_stream_without_an_end_is_acted_on_all_the_same() -> None:
    assert story(None) > 50


def test_nothing_is_waited_for_where_nothing_came() -> None:
    async def whole() -> None:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.ensure_future(turn())
        await burst(Wake())
        assert turns == 0
        turning.cancel()

    asyncio.run(whole())
