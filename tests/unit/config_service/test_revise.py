"""What is written for which difference between file and bucket."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from config_service.past import entities_of
from config_service.revise import Changes, Desired, Held, Present, Write, compare, desire, next_revision
from config_service.sources import source
from tests.unit.config_service.support import GOOD, compiled
from vipbus.bus import Entry
from vipbus.contracts import Head, revision_digest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = b"a", b"b", b"c"


def held(revision: int, body: bytes) -> Held:
    return Entry(body, revision, body)


@pytest.mark.parametrize(
    ("desired", "present", "unreadable", "writes", "counts"),
    [
        ({}, {}, (), (), (0, 0, 0)),
        ({"x": A}, {}, (), (Write("x", A, 0),), (1, 0, 0)),
        ({"x": A}, {"x": held(7, A)}, (), (), (0, 0, 0)),
        ({"x": B}, {"x": held(7, A)}, (), (Write("x", B, 7),), (0, 1, 0)),
        ({}, {"x": held(7, A)}, (), (Write("x", None, 7),), (0, 0, 1)),
        (
            {"x": B, "y": C},
            {"z": held(3, A), "x": held(7, A)},
            (),
            (Write("x", B, 7), Write("y", C, 0), Write("z", None, 3)),
            (1, 1, 1),
        ),
        # a body that nobody can read: the good one seen before it says nothing of what stands there now
        ({"x": A}, {"x": held(7, A)}, ("x",), (Write("x", A, None),), (0, 1, 0)),
        ({}, {"x": held(7, A)}, ("x", "y"), (Write("x", None, None), Write("y", None, None)), (0, 0, 2)),
    ],
)
def test_compare(
    desired: dict[str, bytes],
    present: dict[str, Held],
    unreadable: tuple[str, ...],
    writes: tuple[Write, ...],
    counts: tuple[int, int, int],
) -> None:
    changes = compare(desired, present, unreadable)
    assert changes.writes == writes
    assert (changes.added, changes.changed, changes.removed) == counts


def desired(bodies: dict[str, bytes]) -> Desired:
    return Desired("r1", "x.conf", bodies, revision_digest(bodies), "start")


def head(bodies: dict[str, bytes], revision: int = 4) -> Head:
    return Head(
        router="r1",
        revision=revision,
        entities=len(bodies),
        digest=revision_digest(bodies),
        source="x.conf",
        accepted_at=NOW,
    )


@pytest.mark.parametrize(
    ("present", "known", "revision"),
    [
        (None, 0, 1),
        (None, 9, 10),
        (head({"x": A}), 0, None),
        (head({"x": B}), 0, 5),
        (head({"x": B}), 9, 10),
        (head({}), 4, 5),
    ],
)
def test_next_revision(present: Head | None, known: int, revision: int | None) -> None:
    new = next_revision(desired({"x": A}), Present(present, {}, known=known), Changes((), 1, 0, 0), NOW)
    assert (new.head.revision if new else None) == revision
    if new is not None:
        assert (new.head.digest, new.head.entities, new.head.cause) == (revision_digest({"x": A}), 1, "start")
        assert (new.head.base, new.record.note.base) == (revision, revision)
        # nothing whole is known, so there is no way back
        assert (new.record.before, new.undo) == (0, {})


def test_a_revision_says_who_and_what_was() -> None:
    said = msgspec.structs.replace(
        desired({"x": B, "y": C}), by="root@a", how="apply", why="more weight", file="f", confirm_by=NOW
    )
    past = {"x": A, "z": C}
    present = Present(head(past), {key: held(3, body) for key, body in past.items()}, whole=past)
    new = next_revision(said, present, compare(said.bodies, present.held), NOW)
    assert new is not None
    note = new.record.note
    assert (note.by, note.how, note.why) == ("root@a", "apply", "more weight")
    assert (note.added, note.changed, note.removed) == (1, 1, 1)
    assert (note.back_to, note.confirm_by) == (4, NOW)
    assert (new.record.before, new.undo) == (4, {"x": A, "y": None, "z": C})
    assert (new.head.by, new.head.how, new.head.why, new.head.file) == ("root@a", "apply", "more weight", "f")


def test_an_overlays_revision_lies_over_another() -> None:
    over = msgspec.structs.replace(desired({"x": B}), how="docker", base=2)
    new = next_revision(over, Present(head({"x": A}), {}, whole={"x": A}), Changes((), 0, 1, 0), NOW)
    assert new is not None
    assert (new.head.revision, new.head.base) == (5, 2)


def test_desire_encodes_what_the_contracts_decode() -> None:
    configuration = compiled(GOOD)
    wanted = desire(configuration, "start")
    decoded = {entity.key: entity for entity in entities_of(wanted.bodies)}
    assert decoded == {entity.key: entity for entity in configuration.entities}
    assert wanted.digest == revision_digest(wanted.bodies)
    assert desire(compiled(GOOD), "SIGHUP").bodies == wanted.bodies


@pytest.mark.parametrize(
    ("option", "path", "router"),
    [
        ("/etc/lb.conf", "/etc/lb.conf", "given"),
        ("a=/etc/lb.conf", "/etc/lb.conf", "a"),
        ("a=b=c.conf", "b=c.conf", "a"),
        ("/etc/a=b.conf", "/etc/a=b.conf", "given"),
        ("./a=b.conf", "a=b.conf", "given"),
    ],
)
def test_file_options(option: str, path: str, router: str) -> None:
    found = source(option, "given")
    assert (str(found.path), found.router) == (path, router)
    # the conditions of a file that is for one router are about that router
    assert found.config_id == (None if router == "given" else router)
    assert source(option, "given", "said").config_id == "said"
