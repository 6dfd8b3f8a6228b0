"""What may be tracked by name: ``vrrp_script``, ``track_file``, ``vrrp_track_process``."""

from __future__ import annotations

from typing import Final, Literal, cast

from config_service.keepalived import fields, programs, values
from config_service.keepalived.parser import Statement
from config_service.keepalived.programs import ProgramLine
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block
from config_service.keepalived.tracking import weight_keyword
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Program, TrackFile, TrackProcess, VrrpScript

_LONGEST: Final = "4294"
_MOST_COUNT: Final = 2**31 - 1


class TrackerDraft(Draft):
    """What they have in common."""

    kind = ""
    noun = ""

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.name = values.name(statement.arguments[0])
        self.weight = 0
        self.reverse = False

    def compiled(self, router: str) -> VrrpScript | TrackFile | TrackProcess | None:
        """Make the entity; None without what it cannot be without, which was reported."""
        raise NotImplementedError


class ScriptDraft(TrackerDraft):
    """What one ``vrrp_script`` says."""

    kind = "script"
    noun = "vrrp_script"

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.script: ProgramLine | None = None
        self.interval = 1.0
        self.timeout = 0.0
        self.rise = 1
        self.fall = 1
        self.user: tuple[str, str | None] | None = None
        self.init_fail = False

    def compiled(self, router: str) -> VrrpScript | None:
        """Make the entity; None without a script, which was reported."""
        if self.script is None:
            return None
        user, group = self.user or (None, None)
        return VrrpScript(
            router=router,
            name=self.name,
            command=Program(arguments=self.script.program.arguments, user=user, group=group),
            interval=self.interval,
            timeout=self.timeout,
            rise=self.rise,
            fall=self.fall,
            init_fail=self.init_fail,
        )


class TrackFileDraft(TrackerDraft):
    """What one ``track_file`` says."""

    kind = "file"
    noun = "track_file"

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.weight = 1
        self.path: str | None = None
        self.init: int | None = None
        self.init_overwrite = False

    def compiled(self, router: str) -> TrackFile | None:
        """Make the entity; None without a file, which was reported."""
        if self.path is None:
            return None
        return TrackFile(
            router=router, name=self.name, path=self.path, init=self.init, init_overwrite=self.init_overwrite
        )


class TrackProcessDraft(TrackerDraft):
    """What one ``vrrp_track_process`` says."""

    kind = "process"
    noun = "vrrp_track_process"

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.process: tuple[str, ...] = ()
        self.match: Literal["exact", "initial", "partial"] | None = None
        self.full_command = False
        self.quorum = 1
        self.quorum_max: int | None = None
        self.delay = 0.0
        self.fork_delay: float | None = None
        self.terminate_delay: float | None = None

    def compiled(self, router: str) -> TrackProcess | None:
        """Make the entity; None without a process, which was reported."""
        if not self.process:
            return None
        # a bare name matches with any arguments, param_match asks for those that are written, even for none
        arguments = self.process[1:] or (() if self.match else None)
        return TrackProcess(
            router=router,
            name=self.name,
            process=self.process[0],
            arguments=arguments,
            argument_match=self.match or "exact",
            full_command=self.full_command,
            quorum=self.quorum,
            quorum_max=self.quorum_max,
            fork_delay=self.delay if self.fork_delay is None else self.fork_delay,
            terminate_delay=self.delay if self.terminate_delay is None else self.terminate_delay,
        )


def _script(draft: ScriptDraft, statement: Statement, _report: Report) -> None:
    if len(statement.arguments) > 1:
        raise RefusedError("a command with arguments stands in quotes; keepalived would drop them without")
    draft.script = ProgramLine(programs.program(statement.arguments), statement)


def _user(draft: ScriptDraft, statement: Statement, _report: Report) -> None:
    draft.user = programs.user_and_group(statement.arguments)


SCRIPT: Final = declare(
    Table(
        "vrrp_script",
        {
            "script": Keyword('script "COMMAND"', _script, most=64),
            "interval": fields.seconds("interval", "interval", "0.001", _LONGEST),
            "timeout": fields.seconds("timeout", "timeout", "0.001", _LONGEST),
            "weight": weight_keyword("script"),
            "rise": fields.whole("rise", "rise", 1, _MOST_COUNT),
            "fall": fields.whole("fall", "fall", 1, _MOST_COUNT),
            "user": Keyword("user USER [GROUP]", _user, most=2),
            "init_fail": fields.flag("init_fail", "init_fail"),
        },
    )
)


def _init_file(draft: TrackFileDraft, statement: Statement, _report: Report) -> None:
    draft.init = 0
    number = False
    for word in statement.arguments:
        if word == "overwrite":
            draft.init_overwrite = True
        elif number:
            raise RefusedError(f"{quoted(word)} after a number is not known; init_file takes one")
        else:
            draft.init, number = values.signed(word, -(2**31), 2**31 - 1), True


TRACK_FILE: Final = declare(
    Table(
        "track_file",
        {
            "file": fields.word("file", "PATH", "path", programs.absolute),
            "weight": weight_keyword("file"),
            "init_file": Keyword("init_file [NUMBER] [overwrite]", _init_file, least=0, most=2),
        },
    )
)


def _process(draft: TrackProcessDraft, statement: Statement, _report: Report) -> None:
    if not statement.arguments[0]:
        raise RefusedError("the process has no name; write its program's name or path")
    draft.process = statement.arguments


def _param_match(draft: TrackProcessDraft, statement: Statement, _report: Report) -> None:
    word = values.choice(statement.arguments[0], ("initial", "partial")) if statement.arguments else "exact"
    draft.match = cast(Literal["exact", "initial", "partial"], word)


_SHORTEST, _DELAY = "0.000001", "3600"

TRACK_PROCESS: Final = declare(
    Table(
        "vrrp_track_process",
        {
            "process": Keyword("process NAME [ARGUMENT ...]", _process, most=64),
            "param_match": Keyword("param_match [initial|partial]", _param_match, least=0),
            "weight": weight_keyword("process"),
            "quorum": fields.whole("quorum", "quorum", 1, 65535),
            "quorum_max": fields.whole("quorum_max", "quorum_max", 0, 65535),
            "delay": fields.seconds("delay", "delay", _SHORTEST, _DELAY),
            "fork_delay": fields.seconds("fork_delay", "fork_delay", _SHORTEST, _DELAY),
            "terminate_delay": fields.seconds("terminate_delay", "terminate_delay", _SHORTEST, _DELAY),
            "full_command": fields.flag("full_command", "full_command"),
        },
    )
)


def read_script(statement: Statement, report: Report) -> ScriptDraft:
    """Read a ``vrrp_script`` block."""
    draft = ScriptDraft(statement)
    read_block(statement.block or (), SCRIPT, draft, report)
    _needs(draft, "script", report)
    return draft


def read_track_file(statement: Statement, report: Report) -> TrackFileDraft:
    """Read a ``track_file`` block."""
    draft = TrackFileDraft(statement)
    read_block(statement.block or (), TRACK_FILE, draft, report)
    _needs(draft, "file", report)
    return draft


def read_track_process(statement: Statement, report: Report) -> TrackProcessDraft:
    """Read a ``vrrp_track_process`` block."""
    draft = TrackProcessDraft(statement)
    read_block(statement.block or (), TRACK_PROCESS, draft, report)
    _needs(draft, "process", report)
    if draft.quorum_max is not None and "quorum" in draft.given and draft.quorum_max < draft.quorum:
        report.error(
            statement.file,
            draft.line_of("quorum_max"),
            f"quorum_max {draft.quorum_max} is less than quorum {draft.quorum}; correct one",
        )
    return draft


def _needs(draft: TrackerDraft, keyword: str, report: Report) -> None:
    if keyword not in draft.given:
        report.error(
            draft.statement.file,
            draft.statement.line,
            f"{draft.noun} {quoted(draft.name)} has no {keyword}; add it",
        )
