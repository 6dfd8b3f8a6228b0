"""A file that is read again means what it means when it is read for the first time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config_service.keepalived.compile import Configuration
from config_service.load import compiler
from config_service.problems import ConfigError
from config_service.revise import desire
from config_service.unchanged import Kept, Known
from vipbus.contracts import encoded, entity_count
from vipbus.runtime.secrets import Secrets

PATH = Path("lb.conf")
SECRETS = Secrets.in_memory()
AROUND = "global_defs {\n  router_id r1\n}\n"
INSTANCE = """vrrp_instance V {
  interface lo
  virtual_router_id 7
  virtual_ipaddress {
    10.0.0.1
  }
}
"""


def block(number: int, weight: int = 1, more: str = "") -> str:
    return (
        f"virtual_server 10.0.0.{number} 80 {{\n  protocol TCP\n{more}"
        f"  real_server 10.1.0.{number} 80 {{\n    weight {weight}\n  }}\n}}\n"
    )


TEXT = AROUND + "".join(block(number) for number in range(1, 9))


class Reader:
    """Reads texts one after the other, and notes how long the texts were that it had to compile."""

    def __init__(self, path: Path = PATH, *, piece: int = 1 << 17) -> None:
        self.known = Known(piece=piece)
        self.compiled: list[str] = []
        self._compile = compiler(path, None, Secrets.in_memory())

    def read(self, text: str) -> dict[str, bytes]:
        return self.known.read(text, self.compile)[1]

    def compile(self, text: str) -> Configuration:
        self.compiled.append(text)
        return self._compile(text)


def alone(text: str, path: Path = PATH) -> dict[str, bytes] | list[str]:
    """Read a text as if nothing had been before: its entities, or what is wrong with it."""
    try:
        return desire(compiler(path, None, Secrets.in_memory())(text), "test").bodies
    except ConfigError as error:
        return error.lines()


def after(before: str, text: str) -> dict[str, bytes] | list[str]:
    reader = Reader()
    reader.read(before)
    try:
        return reader.read(text)
    except ConfigError as error:
        return error.lines()


def test_one_weight_of_many_is_one_block_to_compile() -> None:
    reader = Reader()
    reader.read(TEXT)
    changed = TEXT.replace(block(5), block(5, weight=9))
    assert reader.read(changed) == alone(changed)
    assert reader.compiled == [TEXT, AROUND + block(5, weight=9)]
    assert reader.read(TEXT) == alone(TEXT)
    assert reader.compiled[2] == AROUND + block(5)


def in_pieces(text: str) -> tuple[dict[str, bytes] | list[str], list[str], Kept]:
    """Read a text in the smallest pieces; give what it says, what was compiled, and what is known then."""
    reader = Reader(piece=1)
    try:
        return reader.read(text), reader.compiled, reader.known.kept
    except ConfigError as error:
        return error.lines(), reader.compiled, reader.known.kept


def test_a_large_file_is_compiled_in_pieces() -> None:
    blocks = [block(number) for number in range(1, 9)]
    found, compiled, kept = in_pieces(TEXT)
    assert found == alone(TEXT)
    assert "".join(each.removeprefix(AROUND) for each in compiled) == "".join(blocks)
    assert len(compiled) > 2
    whole = Reader()
    whole.read(TEXT)
    assert kept == whole.known.kept


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(block(8), block(8, more="  lvs_sched nothing\n")),
        TEXT.replace(block(8), block(8, more="  lvs_sched nothing\n")).removesuffix("\n"),
        TEXT.replace(block(8), block(1)),
        TEXT.replace(block(8), block(1, weight=2)),
        TEXT.replace(block(8), block(8, more="}\n")),
        TEXT.replace(block(8), block(8, more="  quorum 1 # one\n")),
        TEXT.replace(block(8), "virtual_server 10.0.0.8 80 {\n}\n"),
        TEXT.replace(block(1), "virtual_server 10.0.0.8 80 {\n}\n"),
        TEXT.removesuffix("\n"),
        TEXT + INSTANCE,
        TEXT.replace(AROUND, AROUND + INSTANCE),
        TEXT.replace(AROUND, AROUND + "virtual_server_group g {\n  10.2.0.1 80\n}\n"),
        TEXT.replace(AROUND, AROUND + "virtual_server_group g {\n  10.2.0.1 80\n}\n").replace(
            "virtual_server 10.0.0.3 80", "virtual_server group g"
        ),
        TEXT.replace(AROUND, AROUND + "vrrp_track_file f {\n  file /nowhere\n}\n"),
        TEXT.replace(AROUND, "global_defs {\n  router_id r1\n  vrrp_version 9\n}\n"),
        TEXT.replace(AROUND, "global_defs {\n  router_id r1\n  enable_dbus\n}\n"),
    ],
)
def test_in_pieces_it_means_what_the_whole_means(text: str) -> None:
    known = Reader()
    found, _, kept = in_pieces(text)
    assert found == alone(text)
    if isinstance(found, dict):
        known.read(text)
        assert kept == known.known.kept
        again = [
            Reader(piece=piece).known.read(text, compiler(PATH, None, SECRETS))[0] for piece in (1, 1 << 17)
        ]
        assert [(each.router, each.warnings, each.references) for each in again[:1]] == [
            (each.router, each.warnings, each.references) for each in again[1:]
        ]


def test_comments_between_blocks_are_no_hindrance() -> None:
    text = TEXT.replace(block(3), "\n# the third\n! of eight\n" + block(3))
    reader = Reader()
    reader.read(text)
    changed = text.replace(block(5), block(5, weight=9)).replace("the third", "the next")
    assert reader.read(changed) == alone(changed)
    assert reader.compiled[1:] == [AROUND + block(5, weight=9)]


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (TEXT, TEXT.replace(block(4), block(4, more="  lvs_sched nothing\n"))),
        (TEXT, TEXT.replace(block(4), block(4) + block(4, weight=2))),
        (TEXT, TEXT.replace(block(4), block(4) + block(4))),
        (TEXT, TEXT.replace(block(4), block(4, more="}\n"))),
        (TEXT, TEXT.replace(block(4), block(4, more="  {\n"))),
        (TEXT, TEXT.replace(block(4), "# \\\n" + block(4))),
        (TEXT, TEXT.replace(block(4), "garbage \\\n" + block(4))),
        (TEXT, TEXT.replace(block(4), block(4, more='  persistence_timeout "60"\n'))),
        (TEXT, TEXT.replace(block(4), "virtual_server 10.0.0.4 80 {\n}\n")),
        (TEXT, TEXT.replace(block(4), "")),
        (TEXT, AROUND),
        (TEXT, TEXT.replace(AROUND, "")),
        (TEXT, TEXT.replace(AROUND, AROUND + INSTANCE)),
        (AROUND + INSTANCE + TEXT[len(AROUND) :], TEXT),
        (TEXT, TEXT + INSTANCE),
        (TEXT + INSTANCE, TEXT),
        (TEXT, TEXT.replace(block(4), INSTANCE + block(4))),
        (TEXT, TEXT.replace("\n", "\r\n")),
        (TEXT, TEXT.removesuffix("\n")),
        (TEXT + "\n", TEXT.replace(block(4), block(4, 2))),
        (INSTANCE + TEXT, "vrrp_instance V {\n" + TEXT + INSTANCE.split("\n", 1)[1]),
        (TEXT, TEXT.replace(block(4), block(4, 2)) + "}\n"),
        (TEXT, TEXT.replace(block(4), block(4, 2)) + "virtual_server 10.0.0.99 80 {\n"),
    ],
)
def test_whatever_is_changed_means_what_it_means_alone(before: str, text: str) -> None:
    assert after(before, text) == alone(text)


AROUND_THAT_DEPENDS = (
    "include other.conf\n",
    "  includea other.conf\n",
    "@main router\n",
    "$X=5\n",
    "~SEQ(N,1,2) track_file f${N} { file /run/f${N} }\n",
    "global_defs {\n  random_seed 5\n}\n",
)


def test_a_warning_before_the_blocks_is_no_hindrance() -> None:
    around = "global_defs {\n  router_id r1\n  enable_dbus\n}\n"
    text = TEXT.replace(AROUND, around)
    reader = Reader()
    reader.read(text)
    changed = text.replace(block(5), block(5, weight=9))
    configuration, bodies = reader.known.read(changed, reader.compile)
    assert bodies == alone(changed)
    assert reader.compiled[1:] == [around + block(5, weight=9)]
    assert [warning.line for warning in configuration.warnings] == [3]


def test_a_warning_that_depends_on_the_blocks_is_that_of_them_all() -> None:
    group = "virtual_server_group g {\n  10.0.9.9 80\n}\n"
    of_group = block(4).replace("virtual_server 10.0.0.4 80", "virtual_server group g")
    text = group + TEXT.replace(block(4), of_group)
    reader = Reader()
    reader.read(text)
    changed = text.replace(block(5), block(5, weight=9))
    configuration, bodies = reader.known.read(changed, reader.compile)
    assert bodies == alone(changed)
    assert configuration.warnings == ()


@pytest.mark.parametrize("around", AROUND_THAT_DEPENDS)
@pytest.mark.parametrize("after", [False, True])
def test_what_depends_on_more_than_the_text_is_compiled_whole(
    around: str, after: bool, tmp_path: Path
) -> None:
    (tmp_path / "other.conf").write_text("")
    reader = Reader(tmp_path / "lb.conf")
    text = f"{TEXT}{around}" if after else f"{around}{TEXT}"
    changed = text.replace(block(5), block(5, weight=9))
    reader.read(text)
    assert reader.read(changed) == alone(changed, tmp_path / "lb.conf")
    assert reader.compiled == [text, changed]


def test_an_included_file_that_changes_is_seen(tmp_path: Path) -> None:
    other = tmp_path / "other.conf"
    other.write_text(INSTANCE.replace("10.0.0.1\n", "10.0.0.3\n"))
    reader = Reader(tmp_path / "lb.conf")
    text = f"include other.conf\n{TEXT}"
    before = reader.read(text)
    other.write_text(INSTANCE.replace("10.0.0.1\n", "10.0.0.4\n"))
    found = reader.read(text)
    assert found == alone(text, tmp_path / "lb.conf")
    assert {key for key in before if before[key] != found[key]} >= {
        key for key in before if "virtual-server" in key and ("10-0-0-3" in key or "10-0-0-4" in key)
    }


@pytest.mark.parametrize(
    "more", ["  weight ${X}\n", "@main weight 5\n", "  ~SEQ(N,1,1) weight ${N}\n", "include other.conf\n"]
)
def test_a_block_with_text_that_is_replaced_is_compiled_whole(more: str, tmp_path: Path) -> None:
    (tmp_path / "other.conf").write_text("")
    path = tmp_path / "lb.conf"
    reader = Reader(path)
    text = TEXT.replace(block(4), block(4, more=more))
    for each in (TEXT, text, text.replace(block(5), block(5, weight=9))):
        try:
            found: dict[str, bytes] | list[str] = reader.read(each)
        except ConfigError as error:
            found = error.lines()
        assert found == alone(each, path)
        assert reader.compiled[-1] == each


PIECES = st.lists(
    st.one_of(
        st.builds(block, st.integers(1, 6), st.integers(0, 3)),
        st.sampled_from(
            ["# a comment\n", "\n", "}\n", "{\n", INSTANCE, AROUND, "virtual_server\n", "# \\\n"]
        ),
    ),
    max_size=12,
).map("".join)


@given(st.lists(PIECES, min_size=2, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_files_one_after_the_other(texts: list[str]) -> None:
    reader = Reader()
    for text in texts:
        try:
            found: dict[str, bytes] | list[str] = reader.read(text)
        except ConfigError as error:
            found = error.lines()
        assert found == alone(text)


def test_real_servers_of_proxies_are_of_no_virtual_server() -> None:
    text = """
[[virtual_server]]
address = "10.0.0.1:80"
real_server = [{ address = "10.1.0.1" }]
[[proxy]]
name = "web"
bind = ["10.0.0.2:80"]
pool = "app"
[[pool]]
name = "app"
real_server = [{ address = "10.1.0.2:80" }, { address = "10.1.0.3:80" }]
"""
    compiled = compiler(Path("v.toml"), "r1", Secrets.in_memory())
    configuration, bodies = Known().read(text, compiled)
    assert bodies == encoded(configuration.entities)
    assert entity_count({key: body for key, body in bodies.items() if ".pool.pool-app." in key}) == 2


def test_what_another_process_has_read_is_not_compiled_again() -> None:
    first = Reader()
    bodies = first.read(TEXT)
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(first.known.kept), type=Kept)
    second = Reader()
    second.known = Known(kept)
    assert second.read(TEXT) == bodies
    assert second.compiled == [AROUND + block(1)]
