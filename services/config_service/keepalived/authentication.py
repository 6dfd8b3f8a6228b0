"""``authentication`` (version 2) and ``auth_hmac`` (keepalived 2.4); no message repeats their words."""

from __future__ import annotations

import re
from typing import Final, Literal

from config_service.keepalived import fields, values
from config_service.keepalived.outside import Outside
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block
from config_service.problems import RefusedError
from config_service.report import Report
from vipbus.contracts import Hmac, HmacKey

_PASSWORD: Final = 8
"""Bytes that count (RFC 2338 section 5.3.6)."""
LONG: Final = f"is longer than {_PASSWORD} bytes; the others do not count"
EMPTY: Final = f"the password is empty; write one of 1 to {_PASSWORD} bytes"
_KEY: Final = range(32, 65)
_HEXADECIMAL: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_LEAST_WINDOW: Final = 5.0
_AH: Final = (
    "AH is left out of vipbus on purpose: it is gone from VRRP since RFC 3768 and was never more than MD5; "
    "this instance runs without authentication, and its peers must, too; write auth_hmac, or auth_type PASS"
)


def too_long(password: str) -> bool:
    """Say whether not all of a password counts."""
    return len(password.encode()) > _PASSWORD


class PasswordDraft(Draft):
    """What ``authentication`` says."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.kind: str | None = None
        self.password: str | None = None


class HmacDraft(Draft):
    """What ``auth_hmac`` says."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.keys: dict[int, tuple[str, Statement]] = {}
        self.active: int | None = None
        self.ordered_only = False
        self.window: float | None = None
        self.mode: Literal["strict", "permissive"] = "strict"


def _auth_type(draft: PasswordDraft, statement: Statement, report: Report) -> None:
    draft.kind = values.choice(statement.arguments[0], ("PASS", "AH"))
    if draft.kind == "AH":
        report.warning(statement.file, statement.line, f"auth_type: {_AH}")


def _auth_pass(draft: PasswordDraft, statement: Statement, report: Report) -> None:
    draft.password = statement.arguments[0]
    if not draft.password:
        raise RefusedError(EMPTY)
    if too_long(draft.password):
        report.warning(statement.file, statement.line, f"auth_pass {LONG}")


AUTHENTICATION: Final = declare(
    Table(
        "authentication",
        {
            "auth_type": Keyword("auth_type PASS|AH", _auth_type),
            "auth_pass": Keyword("auth_pass PASSWORD", _auth_pass),
        },
        secret=True,
    )
)


def _key(draft: HmacDraft, statement: Statement, _report: Report) -> None:
    number = values.integer(statement.arguments[0], 1, 255)
    if number in draft.keys:
        raise RefusedError(f"key {number} is on line {draft.keys[number][1].line} already; number one anew")
    draft.keys[number] = (statement.arguments[1], statement)


def _anti_replay(draft: HmacDraft, statement: Statement, _report: Report) -> None:
    draft.ordered_only = values.choice(statement.arguments[0], ("time", "monotonic")) == "monotonic"


def _mode(draft: HmacDraft, statement: Statement, _report: Report) -> None:
    if statement.arguments[0] == "receive-only":
        raise RefusedError("receive-only is not supported by vipbus yet; begin with permissive")
    word = values.choice(statement.arguments[0], ("enforce", "permissive"))
    draft.mode = "permissive" if word == "permissive" else "strict"


AUTH_HMAC: Final = declare(
    Table(
        "auth_hmac",
        {
            "key": Keyword("key 1-255 hex:DIGITS|file:PATH|TEXT", _key, least=2, most=2, repeats=True),
            "active_key": fields.whole("active_key", "active", 1, 255),
            "anti_replay": Keyword("anti_replay time|monotonic", _anti_replay),
            "time_window": fields.whole_seconds("time_window", "window", 1, 300),
            "mode": Keyword("mode enforce|permissive", _mode),
        },
        secret=True,
    )
)


class AuthenticationDraft:
    """Both of an instance."""

    def __init__(self) -> None:
        self.password: PasswordDraft | None = None
        self.hmac: HmacDraft | None = None


def _authentication(draft: AuthenticationDraft, statement: Statement, report: Report) -> None:
    draft.password = PasswordDraft(statement)
    read_block(statement.block or (), AUTHENTICATION, draft.password, report)


def _auth_hmac(draft: AuthenticationDraft, statement: Statement, report: Report) -> None:
    draft.hmac = HmacDraft(statement)
    read_block(statement.block or (), AUTH_HMAC, draft.hmac, report)


KEYWORDS: Final[dict[str, Keyword[AuthenticationDraft]]] = {
    "authentication": Keyword("authentication { ... }", _authentication, least=0, most=0, block=True),
    "auth_hmac": Keyword("auth_hmac { ... }", _auth_hmac, least=0, most=0, block=True),
}


def compile_password(
    draft: AuthenticationDraft, version: int, outside: Outside, report: Report, *, strict: bool
) -> str | None:
    """Give the reference of version 2's password; None where there is none, or it does not count."""
    found = draft.password
    if found is None or found.kind == "AH":
        return None
    why = ""
    if draft.hmac is not None:
        why = "auth_hmac takes its place"
    elif version == 3:
        why = "version 3 has no passwords (RFC 9568 section 9); auth_hmac has keys"
    elif strict:
        why = "strict mode has none"
    elif found.password is None:
        why = "there is no auth_pass in it; add one"
    elif found.kind is None:
        why = "there is no auth_type in it; add auth_type PASS"
    if why or found.password is None:
        said = found.statement
        report.warning(said.file, said.line, f"authentication has no effect here: {why}")
        return None
    return outside.reference(found.password)


def compile_hmac(
    draft: AuthenticationDraft, advert_int: float, outside: Outside, report: Report, *, strict: bool
) -> Hmac | None:
    """Compile the keys, by reference; what is wrong goes into the report."""
    found = draft.hmac
    if found is None:
        return None
    keys: list[HmacKey] = []
    for number, (value, line) in found.keys.items():
        try:
            keys.append(HmacKey(id=number, secret=outside.reference(_key_value(value, outside))))
        except RefusedError as error:
            report.error(line.file, line.line, f"key {number}: {error}")
    file = found.statement.file
    if not found.keys:
        report.error(file, found.statement.line, "auth_hmac has no key; add key 1 hex:DIGITS")
    elif found.active is None:
        report.error(file, found.statement.line, "auth_hmac has no active_key; name the key that signs")
    elif found.active not in found.keys:
        report.error(file, found.line_of("active_key"), f"auth_hmac has no key {found.active}; add it")
    if strict and found.mode == "permissive":
        report.error(file, found.line_of("mode"), "strict mode wants mode enforce; remove one of both")
    if found.ordered_only and found.window is not None:
        report.warning(
            file, found.line_of("time_window"), "time_window has no effect here: anti_replay is monotonic"
        )
    window = max(3 * advert_int, _LEAST_WINDOW) if found.window is None else found.window
    return Hmac(
        keys=tuple(keys),
        active_key=found.active or 0,
        time_window=0.0 if found.ordered_only else window,
        mode=found.mode,
    )


def _key_value(value: str, outside: Outside) -> str:
    """Give a key as text or as ``hex:DIGITS``, read from its file where it stands in one.

    Raises:
        RefusedError: it is none.
    """
    return hmac_key(outside.key_file(value.removeprefix("file:")) if value.startswith("file:") else value)


def hmac_key(value: str) -> str:
    """Look at a key, text or ``hex:DIGITS``, and give it as it is kept.

    Raises:
        RefusedError: it is none.
    """
    if value.startswith("hex:"):
        digits = value.removeprefix("hex:")
        if _HEXADECIMAL.fullmatch(digits) is None:
            raise RefusedError("after hex: there must be hexadecimal digits, two a byte")
        length, value = len(digits) // 2, f"hex:{digits.lower()}"
    else:
        length = len(value.encode())
    if length not in _KEY:
        raise RefusedError(
            f"a key has 32 to 64 bytes and this one {length}; make one by openssl rand -hex 32"
        )
    return value
