"""Completion of command lines in bash, zsh and fish: click's own, in bash with names that hold a colon.

A shell's script calls ``vipbus`` with ``_VIPBUS_COMPLETE`` in its environment. Whatever goes wrong then is
silent: who presses tab wants no error message.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

VARIABLE = "_VIPBUS_COMPLETE"
SHELLS = ("bash", "zsh", "fish")

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE=$COMP_LINE COMP_POINT=$COMP_POINT %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Completion in bash, which takes a colon for the end of a word, as in ``10.9.0.1:80``.

    So the line goes to vipbus as it was typed, and what is before the last colon is not said again.
    """

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Split the line up to the cursor."""
        # COMP_POINT counts bytes in some locales and letters in others
        line = os.fsencode(os.environ["COMP_LINE"])[: int(os.environ["COMP_POINT"])]
        text = line.decode(errors="ignore")
        words = split_arg_string(text)
        if not text or text[-1].isspace():
            words.append("")
        self._said = words[-1].rpartition(":")[0]
        return words[1:-1], words[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Leave out what bash has set apart already."""
        value = item.value
        if self._said and value.startswith(f"{self._said}:"):
            value = value[len(self._said) + 1 :]
        return f"{item.type},{value}"


def source(vipbus: click.Command, shell: str) -> str:
    """Write the script that a shell reads."""
    return _made(vipbus, shell).source()


def answer(vipbus: click.Command, instruction: str) -> int:
    """Complete the command line that a shell's script tells of in the environment."""
    logging.disable()
    with suppress(Exception), open(os.devnull, "w") as nowhere:  # noqa: PTH123  # no path of ours
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
        text = _made(vipbus, instruction.partition("_")[0]).complete()
        sys.stdout.write(f"{text}\n" if text else "")
        return 0
    return 1


def _made(vipbus: click.Command, shell: str) -> ShellComplete:
    add_completion_class(Bash)
    kind = get_completion_class(shell)
    if kind is None or shell not in SHELLS:
        raise LookupError(shell)
    return kind(vipbus, {}, "vipbus", VARIABLE)
