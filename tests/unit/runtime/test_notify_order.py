"""Programs of one instance run in order; one that does not end holds the next back for a while."""

from __future__ import annotations

from vipbus.contracts import Program
from vipbus.runtime.notify.order import MOST, PATIENCE, Change, Order

_PROGRAM = Program(arguments=("/x",))


def change(state: str) -> Change:
    return Change(state, (_PROGRAM,))


def turn(order: Order, now: float, number: int = 0) -> str | None:
    """Give the state whose programs start; they run as a number."""
    found = order.turn(now)
    if found is None:
        return None
    order.running.add(number)
    return found.state


def test_the_next_waits_for_the_last() -> None:
    order = Order()
    for state in ("MASTER", "BACKUP", "FAULT"):
        order.add(change(state))
    assert turn(order, 0, 1) == "MASTER"
    assert turn(order, 1, 2) is None
    order.running.discard(1)
    assert turn(order, 2, 2) == "BACKUP"
    assert turn(order, 3, 3) is None
    order.running.discard(2)
    assert turn(order, 3, 3) == "FAULT"
    order.running.discard(3)
    assert (turn(order, 4), len(order)) == (None, 0)


def test_it_waits_for_all_programs_of_a_change() -> None:
    order = Order()
    order.add(change("MASTER"))
    order.add(change("BACKUP"))
    turn(order, 0, 1)
    order.running.add(2)
    order.running.discard(1)
    assert turn(order, 1) is None


def test_patience_ends() -> None:
    order = Order()
    order.add(change("MASTER"))
    order.add(change("BACKUP"))
    order.add(change("FAULT"))
    turn(order, 10.0, 1)
    assert turn(order, 10.0 + PATIENCE - 0.1) is None
    assert turn(order, 10.0 + PATIENCE, 2) == "BACKUP"
    # whoever was given up is no more waited for; the next has its own time
    order.running.discard(1)
    assert turn(order, 11.0 + PATIENCE) is None
    assert order.patient_until == 10.0 + 2 * PATIENCE


def test_too_many_drop_the_oldest() -> None:
    order = Order()
    dropped = sum(order.add(change(str(number))) for number in range(MOST + 3))
    assert (dropped, len(order)) == (3, MOST)
    assert turn(order, 0) == "3"
