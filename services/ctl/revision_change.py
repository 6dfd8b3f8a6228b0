"""``vipbus config apply``, ``rollback``, ``confirm`` and ``vipbus server``: change what runs."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ctl import revision_render as render
from ctl.answers import ConfigAnswer, RouterHolds
from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.output import complain, say, write_json
from ctl.revision_ask import ask, ask_with_files, heads, heads_for, the_head
from ctl.revision_look import EndError, run
from ctl.revision_wait import until_held, words
from vipbus.bus import Bus
from vipbus.contracts.config_commands import (
    ApplyConfig,
    ChangeServer,
    ConfigHistory,
    ConfigResult,
    ConfirmRevision,
    ReadHistory,
    RollBack,
)
from vipbus.telemetry.logs import plain

Results = list[ConfigResult]
Found = tuple[Results, tuple[RouterHolds, ...]]


def apply(
    *,
    bus: str | None,
    state_dir: Path,
    router: str | None,
    file: Path,
    rests_on: int | None,
    confirm_within: float,
    wait: float,
    by: str,
    why: str,
    as_json: bool,
) -> int:
    """Have a file run on one router or on all."""

    async def work(alive: Bus) -> Found:
        results: Results = []
        for head in await heads_for(alive, router, file):
            seen = head.revision if rests_on is None else rests_on
            results.append(
                await ask_with_files(
                    alive,
                    head,
                    "apply",
                    file,
                    (
                        lambda files, seen=seen: ApplyConfig(  # type: ignore[misc]  # the seen one of this turn
                            files=files, rests_on=seen, confirm_within=confirm_within, by=by, why=why
                        ),
                        ConfigResult,
                    ),
                )
            )
        return results, await _waited(alive, results, wait)

    return _do("config apply", bus, state_dir, work, as_json=as_json)


def rollback(
    *,
    bus: str | None,
    state_dir: Path,
    router: str | None,
    revision: int,
    wait: float,
    by: str,
    why: str,
    as_json: bool,
) -> int:
    """Have a revision of before run again."""

    async def work(alive: Bus) -> Found:
        head = await the_head(alive, router)
        asked = RollBack(revision=revision, rests_on=head.revision, by=by, why=why)
        results = [await ask(alive, head.router, "rollback", asked, ConfigResult)]
        return results, await _waited(alive, results, wait)

    return _do("config rollback", bus, state_dir, work, as_json=as_json)


def confirm(*, bus: str | None, state_dir: Path, router: str | None, by: str, as_json: bool) -> int:
    """Let every revision on trial stay."""

    async def work(alive: Bus) -> Found:
        results: Results = []
        found = await heads(alive, router)
        for head in found:
            state = await ask(alive, head.router, "history", ReadHistory(most=1), ConfigHistory)
            if state.on_trial or len(found) == 1:
                asked = ConfirmRevision(revision=state.on_trial, by=by)
                results.append(await ask(alive, head.router, "confirm", asked, ConfigResult))
        if not results:
            raise EndError("no revision of any router is on trial", EXIT_WRONG)
        return results, ()

    return _do("config confirm", bus, state_dir, work, as_json=as_json)


def server(
    *, bus: str | None, state_dir: Path, router: str | None, asked: ChangeServer, wait: float, as_json: bool
) -> int:
    """Add, remove or weigh a real server on every router that has the virtual server."""

    async def work(alive: Bus) -> Found:
        found = [
            await ask(alive, head.router, "server", asked, ConfigResult)
            for head in await heads(alive, router)
        ]
        # a router that has no such virtual server is not meant, unless none has it
        meant = [each for each in found if each.accepted or not each.reason.startswith("no virtual server ")]
        results = meant or found[:1]
        return results, await _waited(alive, results, wait)

    return _do(f"server {asked.verb}", bus, state_dir, work, as_json=as_json)


async def _waited(bus: Bus, results: Results, wait: float) -> tuple[RouterHolds, ...]:
    wanted = {each.router: each.note.revision for each in results if each.accepted and each.note is not None}
    return await until_held(bus, wanted, wait) if wait and wanted else ()


def _do(
    command: str,
    bus: str | None,
    state_dir: Path,
    work: Callable[[Bus], Awaitable[Found]],
    *,
    as_json: bool,
) -> int:
    try:
        results, held = run(bus, state_dir, work)
    except EndError as error:
        if as_json:
            write_json(ConfigAnswer(done=False, reason=str(error)))
        return complain(command, str(error), error.status)
    status, reason = _judged(results, held)
    if as_json:
        write_json(ConfigAnswer(done=not status, results=tuple(results), holds=held, reason=reason))
    else:
        for each in results:
            sys.stderr.write("".join(f"warning: {plain(line)}\n" for line in each.warnings))
            if each.accepted:
                say(render.result(each))
        for holder in held:
            say(words(holder))
    for each in results:
        if not each.accepted:
            sys.stderr.write("".join(f"{plain(line)}\n" for line in each.reason.split("\n")))
    return complain(command, reason, status) if status else 0


def _judged(results: Sequence[ConfigResult], held: Sequence[RouterHolds]) -> tuple[int, str]:
    """Say how it ends: the status, and why it is not done."""
    refused = [each for each in results if not each.accepted]
    if refused:
        what = "a conflict" if any(each.conflict is not None for each in refused) else "refused"
        runs = ", ".join(f"{each.router} runs revision {each.revision}" for each in refused)
        return EXIT_WRONG, f"{what}; {runs}"
    late = [each.router for each in held if not each.done]
    if late:
        return EXIT_NOT_DONE, f"accepted, and not held everywhere yet: {', '.join(late)}"
    return 0, ""
