"""What an operator says, on a real bus: into the kernel with its cause, and kept whatever the bus does."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tests.unit.ipvs_programmer.test_loop import BOTH, ONE, SAID, SERVICE, steady
from tests.unit.ipvs_programmer.world import Story, World, instance, real_server, virtual_server
from vipbus.contracts import OPERATOR
from vipbus.telemetry.trace import record

DRAINED = {SERVICE: ["10.9.0.21:80 0", "10.9.0.22:80 1"]}
Tell = Callable[[Story], None]


async def says(w: World, cause: str) -> None:
    await w.until(lambda: (d := w.document()) and d.cause == cause, f"the table says: {cause}")


def test_drain_disable_and_enable(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        for state, held, cause in (
            ("drain", DRAINED, "10.9.0.21:80 drained by ann: new disk"),
            ("disable", ONE, "10.9.0.21:80 disabled by ann: new disk"),
            ("drain", DRAINED, "10.9.0.21:80 drained by ann: new disk"),
            (None, BOTH, "10.9.0.21:80 enabled again"),
        ):
            said = w.operator(state, why="new disk")  # type: ignore[arg-type]  # the table's words
            await w.until(lambda held=held: w.held() == held, f"{state} is done")  # type: ignore[misc]  # bound
            await says(w, cause)
            written = w.trace_of(SAID)
            assert written is not None
            assert written.trace_id == said.trace_id
        assert w.problems() == ""

    tell(story)


def test_it_outranks_verdicts(tell: Tell) -> None:
    async def story(w: World) -> None:
        w.operator("disable", "10.9.0.22")
        w.operator("drain", "10.9.0.21")
        w.addresses.set("10.9.0.1")
        w.configure()
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 0"]}, "the first table is as was said")
        w.verdict("up", "10.9.0.22")
        w.verdict("down", "10.9.0.21", cause="connection refused")
        await w.until(lambda: w.held() == {SERVICE: []}, "what is drained and down is out")
        w.verdict("up", "10.9.0.21")
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 0"]}, "and drained when it is up again")
        assert "add destination 10.9.0.22:80 to TCP 10.9.0.1:80 weight 1" not in w.operations()

    tell(story)


def test_it_is_kept_while_the_bus_is_away_and_over_a_restart_without_it(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.operator("drain")
        await w.until(lambda: w.held() == DRAINED, "it is drained")
        for name, what in (("operator", b"10-9-0-21_80"), ("config", b"router-a.head")):
            file = w.state_dir / f"ipvs-programmer.{name}.json"
            await w.until(
                lambda file=file, what=what: file.exists() and what in file.read_bytes(),  # type: ignore[misc]  # bound
                f"{name} is saved",
            )
        await w.kill()
        w.server.kill()
        w.kernel.services.clear()
        w.kernel.destinations.clear()
        w.run()
        await w.until(lambda: w.held() == DRAINED, "the table is there again, and it is drained")
        w.server.start()
        w.operator(None)
        await w.until(lambda: w.held() == BOTH, "what was said meanwhile is heard")

    tell(story)


def test_what_was_enabled_while_the_programmer_was_dead_is_enabled(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.operator("disable")
        await w.until(lambda: w.held() == ONE, "it is disabled")
        await w.kill()
        w.operator(None)
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == BOTH, "it is enabled")

    tell(story)


def test_a_bus_that_lost_its_store_enables_nothing(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.operator("disable")
        await w.until(lambda: w.held() == ONE, "it is disabled")
        await w.until(lambda: w.said.entries, "the bus has it")
        w.hush()
        w.server.kill()
        w.server.lose_store()
        w.server.start()
        w.role("active", 7)
        await w.until(lambda: (a := w.armed()) and a.armed and a.epoch == 7, "caught up")
        assert not w.said.entries
        w.verdict("down", "10.9.0.22")
        await w.until(lambda: w.held() == {SERVICE: []}, "a verdict is followed")
        assert "10.9.0.21" not in str(w.operations()[-1])
        # as config-service does: also where nothing stands
        key = f"{virtual_server().id}.{real_server('10.9.0.21').id}"
        await w.bus.write(OPERATOR, key, None, last=0, trace=record("test"))
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 1"]}, "an operator enables it")

    tell(story)


def test_a_dynamic_weight_is_followed_with_its_cause(tell: Tell) -> None:
    async def story(w: World) -> None:
        w.verdict("up")
        await steady(w)
        w.verdict("up", weight=7, cause="script exit 9")
        await w.until(lambda: w.held()[SERVICE][0] == "10.9.0.21:80 7", "the weight is there")
        await says(w, "10.9.0.21:80 has weight 7: script exit 9")
        w.verdict("up", weight=7, weight_added=-9, cause="load.txt is -9")
        await w.until(lambda: w.held()[SERVICE][0] == "10.9.0.21:80 0", "never below 0")
        await says(w, "10.9.0.21:80 has weight 0: load.txt is -9")

    tell(story)


def test_an_alpha_server_comes_in_with_its_first_success(tell: Tell) -> None:
    async def story(w: World) -> None:
        alpha = msgspec.structs.replace(real_server("10.9.0.21"), alpha=True)
        w.addresses.set("10.9.0.1")
        w.configure(instance(), virtual_server(), alpha, real_server("10.9.0.22"))
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == ONE, "unknown is not enough for it")
        w.verdict("up")
        await w.until(lambda: w.held() == BOTH, "up is")

    tell(story)
