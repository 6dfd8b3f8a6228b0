"""Includes, conditions, parameters, definitions, sequences and lists: the lines that are left for words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from config_service.keepalived.compile import compile_text
from config_service.keepalived.expand import MOST_LINES, Machine, expanded
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.lexer import Brace, lines
from config_service.keepalived.outside import Outside
from config_service.keepalived.parameters import TooMuchError
from config_service.keepalived.parser import parse
from config_service.problems import ConfigError
from config_service.report import Report
from tests.support.expansions import CONFIG_ID, ENVIRONMENT, OURS, SAME, Case
from tests.unit.config_service.support import SECRETS, parts_of
from vipbus.contracts import RealServer, ScriptCheck


def machine(directory: Path) -> Machine:
    return Machine(CONFIG_ID, ENVIRONMENT, directory / "x.conf")


class Read:
    """What is left of a text: lines of words, by place, and what was said."""

    def __init__(self, text: str, directory: Path = Path()) -> None:
        self.report = Report()
        self.lines: list[str] = []
        self.places: list[str] = []
        try:
            for line in lines(expanded(text, "x.conf", machine(directory), self.report), self.report):
                words = (part.value if isinstance(part, Brace) else part for part in parts_of(line))
                self.lines.append(" ".join(words))
                self.places.append(f"{Path(line[0]).name}:{line[1]}")
        except TooMuchError:
            self.lines.append("too much")
        self.errors = [f"{Path(one.file).name}:{one.line}: {one.text}" for one in self.report.errors]
        self.warnings = [f"{Path(one.file).name}:{one.line}: {one.text}" for one in self.report.warnings]


def written(case: Case, directory: Path) -> str:
    for name, body in case.files:
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(body)
    return case.text


@pytest.mark.parametrize("name", [*SAME, *OURS])
def test_what_is_left(name: str, tmp_path: Path) -> None:
    case = {**SAME, **OURS}[name]
    read = Read(written(case, tmp_path), tmp_path)
    assert [line.split()[0] for line in read.lines] == list(case.words)
    assert read.errors == []


def test_every_line_keeps_the_place_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("# a comment\nin_a\n$M\n")
    text = "$M= \\\none \\\ntwo\n~SEQ(N,1,2) q${N} $M\ninclude a.conf\nend\n"
    read = Read(text, tmp_path)
    assert read.lines == ["q1 one", "two", "q2 one", "two", "in_a", "one", "two", "end"]
    assert read.places == [
        "x.conf:4",
        "x.conf:3",
        "x.conf:4",
        "x.conf:3",
        "a.conf:2",
        "a.conf:3",
        "x.conf:3",
        "x.conf:6",
    ]
    assert read.report.uses == {("x.conf", 3): [("x.conf", 4), (str(tmp_path / "a.conf"), 3)]}
    assert read.report.files == [tmp_path / "a.conf"]


def test_the_directory_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.conf").write_text("b ${_PWD}\n")
    read = Read("include sub/b.conf\na ${_PWD}\n", tmp_path)
    assert read.lines == [f"b {tmp_path}/sub", f"a {tmp_path}"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a${_HASH}b ${_BANG}c # d\n", ["a#b !c"]),
        ('a "${_HASH}b"\n', ["a #b"]),
        ("script \"/bin/sh -c 'echo $X ${Y}'\"\n", ["script /bin/sh -c 'echo $X ${Y}'"]),
        ("a 'b $X'\n", ["a b $X"]),
        ("a\\$ $1 ${1}x\n", ["a$ $1 $ { 1 } x"]),
        ("$X=5\na \\\n$X \\\n@main ${X}b\n", ["a 5 @main 5b"]),
        ("$X=5\na 'b \\\n${X}' c\n", ["a b 5 c"]),
        ("@x a \\\nb\nc\n", ["c"]),
        ("@x a 'b \\\n# c' \\\nd\ne\n", ["e"]),
        ("$Q='a # b'\nx $Q # $Q\n", ["x a # b"]),
        ("~SEQ(N,1,2) a { b${N} }\n", ["a { b1 }", "a { b2 }"]),
        ("$X=1\r\n@main a${X}\r\n", ["a1"]),
        ("$X= \\\n\na ${X}b\n$X\n", ["a b"]),
        ("a ~SEQ(N,1,2) @main include\n", ["a ~SEQ(N,1,2) @main include"]),
    ],
)
def test_quotes_comments_and_continued_lines(text: str, lines: list[str]) -> None:
    read = Read(text)
    assert read.lines == lines
    assert read.errors == []


def test_a_value_of_the_environment_is_text() -> None:
    report = Report()
    awkward = 'it\'s "x" # {y} \\ ! $Z'
    pieces = expanded("a '${_ENV V}'\nb ${_ENV V}\n", "x.conf", Machine("m", {"V": awkward}), report)
    found = [parts_of(line) for line in lines(pieces, report)]
    assert found == [["a", awkward], ["b", *awkward.split()]]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a ${X}\n", "1: parameter '${X}' is not defined here; define it above"),
        ("$XY=1\na ${XZ}\n", "2: parameter '${XZ}' is not defined here; define it above"),
        (
            "$PRIORITY=1\na ${PRIORTY}\n",
            "2: parameter '${PRIORTY}' is not defined here; did you mean 'PRIORITY'?",
        ),
        ("auth_pass ${GEHEIM}\n", "1: a parameter is not defined here; define it above"),
        ("$A=${A}x\nq${A}\n", "2: parameter $A is made of itself (A); give it a value"),
        ("$A=${B}\n$B=${A}\nq${A}\n", "3: parameter $A is made of itself (A B); give it a value"),
        ("a\n@main @x d\n", "2: '@x' is a second condition; a line takes one"),
        ("~SEQ(A) q\n", "1: a sequence is written ~SEQ(NAME, [START, [STEP,]] END)"),
        ("~SEQ(A,1,0,5) q\n", "1: a sequence from 1 by 0 never comes to 5; put it right"),
        ("~SEQ(A,1,-1,5) q\n", "1: a sequence from 1 by -1 never comes to 5"),
        ("~SEQ(A,x,5) q\n", "1: 'x' is no number of a sequence; write 10, 012 or 0xa"),
        ("~SEQ(A,09,12) q\n", "1: '09' is no number of a sequence"),
        ("~SEQ(1A,5) q\n", "1: '1A' is no name of a parameter; it is of letters, digits and _"),
        ("~SEQx(A,-1,1) q\n", "1: ~SEQx writes numbers from 0 on; write ~SEQ for others"),
        ("~SEQ A,1,2 q\n", "1: this is no sequence and no list; write ~SEQ(NAME, "),
        ("~SEQy(A,1,2) q\n", "1: this is no sequence and no list; write ~SEQ(NAME, "),
        ("~LST(A, a, b c) q\n", "1: 'b c' is no value of a list: it has blanks or braces"),
        ("~LST(A) q\n", "1: the list has no value; write ~LST(NAME, VALUE, ...)"),
        ("~LST({A,B},{1,2,3}) q\n", "1: 1, 2, 3 are 3 values for 2 names; a list is ~LST(NAME"),
        ("~LST({A,B},1,{2,3}) q\n", "1: a list of several names is written ~LST(NAME"),
        (
            "$M= \\\na \\\nb\n~SEQ(A,1,$M) q\n",
            "4: a value of several lines cannot be put into a sequence or list",
        ),
        ("$M= \\\na \\", "1: the file ends in the middle of a definition; was it cut off?"),
        ("q${_RANDOM 9 3}\n", "1: _RANDOM 9 3 has no number; write the smaller one first"),
        ("q${_RANDOM x}\n", "1: 'x' is no whole number from 0 to 2147483647"),
        ("q${_ENV NONE}\n", "1: there is no environment variable 'NONE'; set it, or write the value itself"),
        ("include\n", "1: include needs the name of a file after it; write one"),
        ("include # x\n", "1: include needs the name of a file after it; write one"),
        ("include ${X}.conf\n", "1: include needs the name of a file after it; write one"),
        (
            "include_check matched\n",
            "1: 'matched' is none of readable match wildcard_match brace_match; did you",
        ),
        ("include " + "{a,b}" * 12 + "\n", "1: {a,b} and its like make more than 1000 names; write fewer"),
    ],
)
def test_what_is_refused(text: str, error: str, tmp_path: Path) -> None:
    (said,) = Read(text, tmp_path).errors
    assert said.startswith(f"x.conf:{error}")


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("interface $IF\n", "1: parameter '$IF' is not defined here, and stays as it is; define it above"),
        (
            "$IF=e\ninterface $IF.5\n",
            "2: parameter '$IF' stays as it is: what follows is no blank; write ${NAME}",
        ),
        ("auth_pass $GEHEIM\n", "1: a parameter is not defined here, and stays as it is; define it above"),
    ],
)
def test_what_stays_as_it_is_is_told(text: str, warning: str) -> None:
    read = Read(text)
    (said,) = read.warnings
    assert said.startswith(f"x.conf:{warning}")
    assert len(read.lines) == 1


# ---- include and its checks


@pytest.mark.parametrize(
    ("line", "error", "warning"),
    [
        (
            "include none.conf",
            "",
            "include: there is no file 'none.conf', so nothing is included; check the path",
        ),
        ("includer none.conf", "", "includer: there is no file 'none.conf', so nothing is included"),
        (
            "includem none.conf",
            "includem: there is no file 'none.conf'; check the path, or write include",
            "",
        ),
        ("includew none.conf", "", "includew: there is no file 'none.conf', so nothing is included"),
        ("includea none.conf", "includea: there is no file 'none.conf'; check the path", ""),
        ("include no*.conf", "", ""),
        ("includem no*.conf", "", ""),
        ("includew no*.conf", "includew: no file matches 'no*.conf'; check the path", ""),
        ("includea no*.conf", "includea: no file matches 'no*.conf'; check the path", ""),
        ("include {a,z}.conf", "", "include: there is no file 'z.conf', so nothing is included"),
        ("includeb {a,z}.conf", "includeb: there is no file 'z.conf'; check the path", ""),
        ("include sub", "", "is a directory; name the files in it"),
        ("includer sub", "is a directory; name the files in it", ""),
        ("include gone.conf", "", "leads to no file; check it"),
        ("includea gone.conf", "leads to no file; check it", ""),
        ("include no\0/*.conf", "has an octet of 0", ""),
        ("include no\0.conf", "has an octet of 0", ""),
        ("include_check\ninclude none.conf", "include: there is no file 'none.conf'; check the path", ""),
        ("include_check match\ninclude none.conf", "include: there is no file 'none.conf'; check", ""),
        ("include_check readable\ninclude none.conf", "", "include: there is no file 'none.conf', so"),
        (
            "include_check\ninclude_check -match -brace_match\ninclude none.conf",
            "",
            "there is no file 'none.conf',",
        ),
        ("include_check\ninclude_check -wildcard_match\ninclude no*.conf", "", ""),
        (
            "include_check readable\ninclude_check +match\ninclude none.conf",
            "there is no file 'none.conf'; check",
            "",
        ),
        ("include checks.conf\ninclude none.conf", "", "include: there is no file 'none.conf', so nothing"),
        (
            "include_check\ninclude inner.conf",
            "inner.conf:1: include: there is no file 'none.conf'; check",
            "",
        ),
    ],
)
def test_includes_that_find_nothing(line: str, error: str, warning: str, tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("in_a\n")
    (tmp_path / "checks.conf").write_text("include_check\n")
    (tmp_path / "inner.conf").write_text("include none.conf\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "gone.conf").symlink_to("nowhere")
    read = Read(f"{line}\nzz\n", tmp_path)
    assert read.lines[-1] == "zz"
    for said, start in ((read.errors, error), (read.warnings, warning)):
        assert len(said) == bool(start)
        assert all(start in one for one in said)


def test_hidden_files_are_no_match(tmp_path: Path) -> None:
    for name in (".hidden.conf", "b.conf", "a.conf", "a.conf~"):
        (tmp_path / name).write_text(f"{name}\n")
    assert Read("include *.conf\n", tmp_path).lines == ["a.conf", "b.conf"]


def test_an_included_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_bytes(b"a\n\xff\n")
    read = Read("include a.conf\nzz\n", tmp_path)
    assert read.errors == ["a.conf:2: byte 0xff is not UTF-8; is this a text file? save it as UTF-8"]
    (tmp_path / "a.conf").unlink()
    (tmp_path / "a.conf").symlink_to("/dev/zero")
    assert "no regular file" in Read("include a.conf\n", tmp_path).errors[0]


def test_an_empty_file_may_be_included(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("")
    read = Read("include a.conf\nzz\n", tmp_path)
    assert (read.lines, read.errors, read.warnings) == (["zz"], [], [])


def test_a_block_may_go_from_file_to_file(tmp_path: Path) -> None:
    (tmp_path / "open.conf").write_text("a {\nb\n")
    report = Report()
    (block,) = parse("include open.conf\nc\n}\n", "x.conf", report, machine(tmp_path))
    assert [one.keyword for one in block.block or ()] == ["b", "c"]
    parse("include open.conf\n", "x.conf", report, machine(tmp_path))
    (problem,) = report.errors
    assert (Path(problem.file).name, problem.line) == ("open.conf", 1)
    assert problem.text.startswith("the block of 'a' is never closed")


# ---- nothing grows beyond bounds


def doubled(levels: int, end: str, *, several: bool) -> str:
    """Define each parameter as twice the one before."""
    between = " \\\n" if several else ""
    names = [
        f"$P{level}={between}${{P{level - 1}}}{between}${{P{level - 1}}}\n" for level in range(1, levels)
    ]
    return f"$P0={end}\n{''.join(names)}${{P{levels - 1}}}\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (doubled(40, "x", several=False), "this line has more than 20,000 parameters; shorten $P"),
        (doubled(40, "", several=False), "this line has more than 20,000 parameters; shorten $P"),
        (doubled(40, "x", several=True), "a definition makes more than 20,000 lines; is it made of itself?"),
        (
            "~SEQ(A,1,1000000000000000) q\n",
            "1: 1,000,000,000,000,000 lines would be made of this; 500,000 are",
        ),
        ("~SEQ(A,1,2000) ~SEQ(B,1,2000) q\n", "1: 4,000,000 lines would be made of this"),
        ("$M= \\\na \\\n$M\n$M\n", "3: definitions are nested more than 100 deep; is one made of itself?"),
        (
            "$L=" + "x" * 3000 + "\n" + "q" + "${L}" * 100 + "\n",
            "2: parameters make this line longer than 256 KiB",
        ),
    ],
    ids=["doubled", "empty", "lines", "long", "nested", "itself", "line"],
)
def test_what_grows_without_end_is_refused_soon(text: str, error: str) -> None:
    begin = time.process_time()
    read = Read(text)
    assert time.process_time() - begin < 10
    (said,) = read.errors
    assert error in said
    assert read.lines[-1] == "too much"
    assert len(read.lines) <= MOST_LINES


def test_many_parameters_deep() -> None:
    chain = "".join(f"$P{level}=${{P{level - 1}}}\n" for level in range(1, 5000))
    (said,) = Read(f"$P0=x\n{chain}a ${{P4999}}\n").errors
    assert said.startswith("x.conf:5001: parameters are nested more than 50 deep; give $P")


def test_files_that_include_each_other(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("never read here\n")
    (tmp_path / "a.conf").write_text("in_a\ninclude b.conf\n")
    (tmp_path / "b.conf").write_text("in_b\ninclude a.conf\ninclude x.conf\n")
    read = Read("include a.conf\nzz\n", tmp_path)
    assert read.lines == ["in_a", "in_b", "zz"]
    first, second = read.errors
    assert first.startswith("b.conf:2: include: '")
    assert first.endswith("is being read already, and would include itself for ever; remove one of both")
    assert second.startswith("b.conf:3: include: '")


@pytest.mark.parametrize(
    ("levels", "error"),
    [
        (30, "15.conf:1: include: files include each other more than 16 deep"),
        (14, "more than 5,000 files are included; name fewer"),
    ],
)
def test_files_that_include_many(levels: int, error: str, tmp_path: Path) -> None:
    for level in range(levels):
        (tmp_path / f"{level}.conf").write_text(f"include {level + 1}.conf\ninclude {level + 1}.conf\n")
    begin = time.process_time()
    (tmp_path / f"{levels}.conf").write_text("end\n")
    read = Read("include 0.conf\n", tmp_path)
    assert time.process_time() - begin < 20
    (said,) = read.errors
    assert said.endswith(error)


def test_an_error_in_a_definition_says_where_it_is_used() -> None:
    text = (
        "$INSTANCE= \\\nvrrp_instance VI_${N} { \\\ninterface eth0 \\\nprioritty 5 \\\n"
        "virtual_router_id ${N} \\\nvirtual_ipaddress { \\\n10.0.0.${N} \\\n} \\\n}\n"
        "$N=1\n$INSTANCE\n$N=2\n$INSTANCE\n"
    )
    outside = Outside(SECRETS.reference, Names())
    with pytest.raises(ConfigError) as caught:
        compile_text(text, "x.conf", "r1", "h", outside)
    assert str(caught.value) == (
        "x.conf:4:1: unknown keyword 'prioritty' in vrrp_instance; did you mean 'priority'? "
        "(put in on line 11 and others)"
    )


def test_definitions_in_definitions_make_pools_of_real_servers() -> None:
    text = """
    $RS= \\
    real_server 10.1.${POOL}.${N} 80 { \\
        weight ${N} \\
        MISC_CHECK { \\
            misc_path "/bin/true ${POOL}.${N} a->b" \\
        } \\

    }

    $VS= \\
    virtual_server 10.0.${POOL}.4 80 { \\
        protocol TCP \\
        @main delay_loop 7 \\
        @other delay_loop 9 \\
        ~SEQ(N, 1, 3) $RS \\
    }

    ~LST(POOL, 0, 1) $VS
    """
    outside = Outside(SECRETS.reference, Names(), Machine(CONFIG_ID))
    entities = compile_text(text, "x.conf", "r1", "h", outside).entities
    reals = [one for one in entities if isinstance(one, RealServer)]
    assert [(one.address, one.weight) for one in reals] == [
        (f"10.1.{pool}.{number}", number) for pool in (0, 1) for number in (1, 2, 3)
    ]
    check = reals[-1].checks[0]
    assert isinstance(check, ScriptCheck)
    assert (check.interval, check.program.arguments) == (7.0, ("/bin/true", "1.3", "a->b"))


def test_random_numbers_are_the_routers_own() -> None:
    def drawn(config_id: str, text: str = "") -> list[str]:
        report = Report()
        pieces = expanded(f"{text}a ${{_RANDOM}} ${{_RANDOM 10}}\n", "x.conf", Machine(config_id), report)
        return [" ".join(map(str, parts_of(line))) for line in lines(pieces, report)][-1:]

    assert drawn("a") == drawn("a")
    assert drawn("a") != drawn("b")
    assert drawn("a", "random_seed 7\n") == drawn("b", "random_seed 7\n")
