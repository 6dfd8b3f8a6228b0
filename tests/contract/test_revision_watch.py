"""A watched file on a real nats-server: what it or an include says is taken; a bad one is refused."""

from __future__ import annotations

from pathlib import Path

from tests.contract.revision_site import Site, play, weighing
from tests.contract.test_config_service import GOOD
from tests.support.nats import NatsServer
from vipbus.contracts import ConfigRefused

SPLIT = GOOD[: GOOD.index("virtual_server")] + "include pools/*.conf\n"


def pool(weight: int) -> str:
    return weighing(weight)[GOOD.index("virtual_server") :]


def test_a_watched_file_and_its_includes(nats_server: NatsServer, tmp_path: Path) -> None:
    async def story(one: Site) -> None:
        included = tmp_path / "pools" / "web.conf"
        included.parent.mkdir()
        included.write_text(pool(1))
        one.file.write_text(SPLIT)
        one.options = ("--watch",)
        one.start()
        await one.reaches(1)
        await one.condition(lambda found: found.ready, "it is ready")
        included.write_text(pool(5))
        head = await one.reaches(2)
        assert (head.cause, head.how, one.weight()) == ("watched file changed", "file", 5)
        # a bad one is refused with its place, and said until it is good; what runs goes on
        included.write_text(pool(5).replace("weight 5", "weight many"))
        refused = await one.event(ConfigRefused, 1)
        assert isinstance(refused, ConfigRefused)
        assert refused.reason.startswith(f"{included}:")
        assert refused.running_revision == 2
        condition = await one.condition(lambda found: not found.ready, "it says so")
        assert condition.problems == (refused.reason,)
        assert one.revision() == 2
        # one more that the pattern matches, put there as editors do
        beside = tmp_path / "more"
        beside.write_text(pool(1).replace("10.9.0.100", "10.9.0.101"))
        included.write_text(pool(7))
        await one.reaches(3)
        beside.rename(included.with_name("more.conf"))
        await one.reaches(4)
        assert one.weight() == 7
        assert "r1.pool.10-9-0-101_80_tcp.0" in one.all.entries
        await one.condition(lambda found: found.ready, "all is right again")

    play(nats_server, tmp_path, story)
