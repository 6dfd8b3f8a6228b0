"""Write for people what would change in the routers' tables: counts first, then each virtual server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctl.layout import paint, wrapped
from ctl.words import count, from_token
from vipbus.contracts.table_commands import PlannedPool, TablePlan


def render(plans: Sequence[TablePlan], *, colour: bool = False) -> str:
    """Write the plans of all routers."""
    lines: list[str] = []
    for plan in plans:
        lines += ([""] if lines else []) + [*_router(plan)]
    painted = [paint(line) for line in lines] if colour else lines
    return "\n".join(painted) + "\n"


def _router(plan: TablePlan) -> Iterator[str]:
    compared = count(plan.compared, "virtual server")
    runs = f"revision {plan.revision} runs"
    what = f"with {plan.source} ({runs})" if plan.source else f"as desired now ({runs})"
    if not plan.counts:
        yield from wrapped(f"router {plan.router}: nothing to do {what}; {compared} compared", 0, 2)
    else:
        total = count(sum(number for _, number in plan.counts), "operation")
        changed = len(plan.pools) + plan.left_out
        yield from wrapped(
            f"router {plan.router}: {total} on {changed} of {compared} {what}: {_counts(plan)}", 0, 2
        )
    for pool in plan.pools:
        yield from _pool(pool)
    if plan.left_out:
        yield from wrapped(f"{count(plan.left_out, 'virtual server')} more LEFT OUT: too many to tell", 2, 4)
    if plan.waiting:
        stays = "stays" if plan.waiting == 1 else "stay"
        yield from wrapped(
            f"{count(plan.waiting, 'virtual server')} {stays} out of the table: the instance that owns the "
            "address is not active here",
            2,
            4,
        )


def _counts(plan: TablePlan) -> str:
    return ", ".join(
        f"{verb} {count(number, thing)}"
        for kind, number in plan.counts
        for verb, _, thing in (kind.partition("-"),)
    )


def _pool(pool: PlannedPool) -> Iterator[str]:
    name = from_token(pool.virtual_server)
    taken = "   somebody else's stands there: it would be taken over" if pool.foreign else ""
    yield from wrapped(f"{name}{taken}", 2, 4)
    for operation in pool.operations:
        before = f" (now {operation.before})" if operation.before else ""
        yield from wrapped(f"{operation.text}{before}", 4, 8)
    if pool.refused:
        yield from wrapped(f"NOT DONE, the kernel refused it when it was tried last: {pool.refused}", 4, 8)
