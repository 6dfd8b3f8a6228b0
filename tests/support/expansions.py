"""Small files of what keepalived.conf(5) does to text, and the words that come of it.

Each line that is left begins with a word that nobody knows: keepalived names it in its complaint.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Case(NamedTuple):
    """A text, the first words of the lines that it makes, and the files beside it."""

    text: str
    words: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()


def case(text: str, words: str, **files: str) -> Case:
    """Make a case; ``a_conf`` is a file ``a.conf``, ``sub__a_conf`` one in a directory."""
    return Case(
        text,
        tuple(words.split()),
        tuple((name.replace("__", "/").replace("_", "."), body) for name, body in files.items()),
    )


CONFIG_ID: Final = "main"

SAME: Final[dict[str, Case]] = {
    "plain": case("aa b\n  bb 'x y'\ncc\n", "aa bb cc"),
    "parameter": case("$X=v w\nA$X\n${X}B\nC${X}D\nE$X.\n", "Av v Cv E$X."),
    "empty parameter": case("$E=\nq${E}r $E\n$E aa\n$E\n", "qr aa"),
    "blanks around a value": case("$Y= 2 \nr${Y}t\n", "r2t"),
    "no definition inside a line": case("aa $X=1\nbb\n", "aa bb"),
    "a value counts when it is used": case("$A=1${B}\n$B=x\nq${A}\n$B=y\nq${A}\n", "q1x q1y"),
    "several lines": case("$X= \\\naa 1 \\\nbb 2\ncc\n$X\n", "cc aa bb"),
    "several lines from the first on": case("$X=a\\\nb\n$X\n", "a b"),
    "blanks after the backslash": case("$M= \\  \naa\nq${M}\n", "qaa"),
    "comment in a definition": case("$M= \\\naa 1 # x \\\nbb 2\n$M\ncc ! x\n", "aa bb cc"),
    "comment after a definition": case("$X=1 # c\nq${X}r\n", "q1r"),
    "condition": case("@main aa\n@^main bb\n@other cc\n  @main dd\n@^other ee\n@ ff\n@^ gg\n", "aa dd ee gg"),
    "condition of nothing": case("@main # x\n@main\naa\n", "aa"),
    "conditional definition": case("@main $P=1\n@x $P=2\nq${P}\n", "q1"),
    "conditional sequence": case("@main ~SEQ(A,1,2) q${A}\n@x ~SEQ(A,1,2) r${A}\n", "q1 q2"),
    "condition in a definition": case("$M= \\\nff \\\n@main aa \\\n@x bb \\\ncc\n$M\n", "ff aa cc"),
    "sequence": case("~SEQ(A,1,3) q${A}\n", "q1 q2 q3"),
    "sequence to": case("~SEQ(B,2) r${B}\n~SEQ(C,-2) s${C}\n", "r1 r2 s-1 s-2"),
    "sequence to 0": case("~SEQ(A,0) q${A}\n~SEQ(B,0,0) r${B}\n", "q1 q0 r0"),
    "sequence by": case("~SEQ(D,5,-2,1) t${D}\n~SEQ(E,1,2,6) u${E}\n", "t5 t3 t1 u1 u3 u5"),
    "sequence down": case("~SEQ(E,3,1) u${E}\n", "u3 u2 u1"),
    "hexadecimal sequence": case(
        "~SEQx(F,9,11) v${F}\n~SEQx(G,0x90,0x10,0xb0) w${G}\n", "v9 va vb w90 wa0 wb0"
    ),
    "octal sequence": case("~SEQ(D, 010,10) t${D}\n", "t8 t9 t10"),
    "sequence in a sequence": case("~SEQ(A,1,2) ~SEQ(B,1,2) q${A}_${B}\n", "q1_1 q1_2 q2_1 q2_2"),
    "sequence of a parameter": case("$N=3\n~SEQ(A,1,${N}) q${A}\n", "q1 q2 q3"),
    "parameter with a sequence": case("$S=~SEQ(A,1,2)\n$S r${A}\n", "r1 r2"),
    "the last value stays": case("$A=9\n~SEQ(A,1,2) q${A}\nr${A}\n", "q1 q2 r2"),
    "list": case("~LST(A,a, b ,c) q${A}\n", "qa qb qc"),
    "list without blanks": case("~LST(A,1,2,3)q${A}\n", "q1 q2 q3"),
    "list with an empty value": case("~LST(B,b,,c) w${B}w\n", "wbw ww wcw"),
    "list of one": case("~LST({C},{1},{2}) y${C}\n", "y1 y2"),
    "list of two": case("~LST({X,Y},{1,2},{3,4}) z${X}${Y}\n", "z12 z34"),
    "list of two with one": case("~LST({X,Y},{1,2},{3}) z${X}${Y}\n", "z12 z3"),
    "list of a definition": case("$Q=q${A}\n~LST(A, a, b) $Q\n", "qa qb"),
    "sequence of several lines": case("$M= \\\naa${N} \\\nbb${N}\n~SEQ(N,1,2) $M\n", "aa1 bb1 aa2 bb2"),
    "list and sequence": case(
        "~LST({IP, IP1}, {10,1},{20,4}) ~SEQ(IP2,168,2,170) 192.${IP2}.${IP}.${IP1}\n",
        "192.168.10.1 192.170.10.1 192.168.20.4 192.170.20.4",
    ),
    "brace of a parameter": case("$X=1\nr${X} {\n}\n", "r1 }"),
    "instance": case("q${_INSTANCE}\n", "qmain"),
    "random": case("$R=${_RANDOM 5 5}\nq$R\n", "q5"),
    "own name of another": case("$_PWD=x\nq${_PWD}\n", "qx"),
    "include": case("include a.conf\nbb\n", "in_a bb", a_conf="in_a\n"),
    "include without a last end": case("include a.conf\nbb\n", "in_a bb", a_conf="in_a"),
    "include in a directory": case(
        "include sub/b.conf\n", "in_b in_a end", sub__b_conf="in_b\ninclude ../a.conf\nend\n", a_conf="in_a\n"
    ),
    "include of many": case(
        "include sub/*.conf\nbb\n", "two one bb", sub__2_conf="one\n", sub__1_conf="two\n"
    ),
    "include by condition": case("@main include a.conf\n@x include a.conf\nbb\n", "in_a bb", a_conf="in_a\n"),
    "include of a parameter": case("$F=a\ninclude ${F}.conf\nzz\n", "in_a zz", a_conf="in_a\n"),
    "include of braces": case(
        "include {sub/1,a}.conf\nzz\n", "one in_a zz", sub__1_conf="one\n", a_conf="in_a\n"
    ),
    "include that defines": case("include a.conf\nq${X}\n", "q1", a_conf="$X=1\n"),
}
"""What keepalived 2.2.7 does, too."""

OURS: Final[dict[str, Case]] = {
    "parameter with a condition": case("$I=@main\n$I rr\n$J=@x\n$J ss\n", "rr"),
    "several lines inside a line": case("$M= \\\naa 1 \\\nbb 2\nqq${M} cc\n", "qqaa bb"),
    "parameter in a random number's place": case("q${_RANDOM 7 7}s\n", "q7s"),
    "parameter with an include": case("$I=include a.conf\n$I\nzz\n", "in_a zz", a_conf="in_a\n"),
    "include in quotes": case("includea \"a.conf\"\nincluder 'a.conf'\n", "in_a in_a", a_conf="in_a\n"),
    "blank lines of a block": case("$M= \\\naa { \\\n} \\\n\nbb\n$M\n", "bb aa }"),
    "blank lines in a block": case("$M= \\\naa { \\\n\ncc \\\n}\nbb\n$M\n", "bb aa cc }"),
    "definition of a definition": case("$M= \\\n$N=1 \\\nq${N} \\\n$N=2 \\\nq${N}\n$M\n", "q1 q2"),
    "include in a sequence": case(
        "~SEQ(A,1,2) include ${A}.conf\nzz\n", "one two zz", **{"1_conf": "one\n", "2_conf": "two\n"}
    ),
    "environment": case("q${_ENV VIPBUS_TEST}\n", "qvalue"),
    "conditional definition of several lines": case(
        "@x $M= \\\naa \\\nbb\n@main $N= \\\ncc \\\ndd\n$N\n", "cc dd"
    ),
}
"""What the manual says and keepalived 2.2.7 does otherwise, or what it does not do at all."""

ENVIRONMENT: Final = {"VIPBUS_TEST": "value"}
