"""What of a file is as it was when it was read before: that is neither compiled nor encoded again.

A change of one weight among forty thousand lines is one virtual server to look at. The block of one means the
same as long as its own text and all text outside of such blocks are the same. Where that is not certain (a
warning about a block, an error, a word in quotes, a check that asks the machine, text that other files or
conditions make) the whole file is compiled, so that lines and messages are those of the file.

For the same reason a large file that is all new is compiled piece by piece: a million objects at once take
their time to come and go, and their memory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from config_service.keepalived.compile import Configuration
from config_service.problems import ConfigError, Problem
from vipbus.contracts import Entity, RealServer, VirtualServer, encoded

_KEYWORD: Final = "virtual_server "
_END: Final = "\n}\n"
"""How such a block ends where nothing is indented; any other is no part of this."""
_NOT_PLAIN: Final = (*"#!\"'\\$~@", "include", "MISC_CHECK", "FILE_CHECK", "notify_", "quorum_")
"""What may mean more than the words of the block: quotes, comments, other files, the machine's own state."""
_DEPENDS: Final = re.compile(r"^[ \t]*(?:[@~]|\$\w+=|include|random_seed)|\$\{", re.MULTILINE)
"""Around the blocks: what may mean something else though the text is the same, or makes text of its own."""

_COMMENTS: Final = re.compile(r"(?:[ \t]*(?:[#!][\t\x20\x21\x23\x25\x26\x28-\x5b\x5d-\x7d]*)?\n)*")
"""Lines that say nothing, and end where they end: no quote, no backslash."""

_PIECE: Final = 1 << 17
"""Characters that are compiled at once."""

Bodies = dict[str, bytes]
"""Encoded documents, by key."""


class Split(msgspec.Struct, frozen=True):
    """A file's text, taken apart: what stands before the blocks, the blocks, what stands after them."""

    before: str
    blocks: tuple[str, ...]
    after: str


def split(text: str) -> Split | None:
    """Take the blocks of virtual servers out of a text; None where more than comments is between them."""
    before: list[str] = []
    blocks: list[str] = []
    after: list[str] = []
    *pieces, last = text.split(_END)
    for piece in pieces:
        at = 0 if piece.startswith(_KEYWORD) else piece.find("\n" + _KEYWORD) + 1
        if at == 0 and not piece.startswith(_KEYWORD):
            (after if blocks else before).append(piece + _END)
            continue
        if after:
            return None
        if not blocks:
            before.append(piece[:at])
        elif _COMMENTS.fullmatch(piece, 0, at) is None:
            return None
        blocks.append(piece[at:] + _END)
    (after if blocks else before).append(last)
    return Split("".join(before), tuple(blocks), "".join(after))


def _mark(block: str) -> bytes:
    return hashlib.blake2b(block.encode(errors="surrogatepass"), digest_size=16).digest()


def _is_plain(block: str) -> bool:
    return not any(each in block for each in _NOT_PLAIN) and block.count("{") == block.count("}")


class Kept(msgspec.Struct, frozen=True):
    """What a text that was accepted means, block by block."""

    around: tuple[str, str] | None = None
    """The text before and after the blocks; None: nothing is known."""
    blocks: dict[bytes, Bodies] = {}
    """By a digest of their text."""
    remarks: frozenset[str] = frozenset()
    """Of the whole: where they stand is where they stood while the text has as many lines."""
    lines: int = 0
    warnings: tuple[Problem, ...] = ()
    """All that was told of the whole."""
    own: tuple[Problem, ...] = ()
    """Of the text before the blocks: where they stand is where they stood."""


class Known:
    """Reads texts one after the other; ``kept`` is what is known of the last one."""

    def __init__(self, kept: Kept | None = None, *, piece: int = _PIECE) -> None:
        self.kept = kept or Kept()
        self._piece = piece

    def read(self, text: str, compiled: Callable[[str], Configuration]) -> tuple[Configuration, Bodies]:
        """Compile a text, or what of it is new, and give all its documents.

        Where only a part was compiled, the configuration is that part's: name, warnings and references are
        those of the whole.

        Raises:
            ConfigError: it is refused.
        """
        parts = split(text)
        if parts is not None and (parts.before, parts.after) == self.kept.around:
            found = self._with_known(text, parts, compiled)
            if found is not None:
                return found
        if parts is not None and _is_known_by_blocks(parts):
            found = self._in_pieces(text, parts, compiled)
            if found is not None:
                return found
        return self._whole(text, parts, compiled)

    def _in_pieces(
        self, text: str, parts: Split, compiled: Callable[[str], Configuration]
    ) -> tuple[Configuration, Bodies] | None:
        """Compile a large text, some blocks at a time; None: it is small, or only the whole is certain."""
        around = len(parts.before) + len(parts.after)
        pieces = list(_pieces(parts.blocks, max(self._piece, 4 * around)))
        if len(pieces) < 2:
            return None
        first: tuple[Bodies, tuple[Problem, ...]] | None = None
        bodies: Bodies = {}
        blocks: dict[bytes, Bodies] = {}
        count = 0
        for piece in pieces:
            try:
                configuration = compiled("".join((parts.before, *piece, parts.after)))
            except ConfigError:
                return None  # its line is another one in the whole
            outside, groups = _encoded(configuration)
            said = outside, configuration.warnings
            first = said if first is None else first
            # a remark says of how many it is true
            if configuration.remarks or not _all_before(configuration, parts) or len(groups) != len(piece):
                return None
            if said != first:
                return None  # what is around means another thing with other blocks
            for block, group in zip(piece, groups, strict=True):
                blocks[_mark(block)] = group
                bodies.update(group)
                count += len(group)
        if len(bodies) < count or len(blocks) < len(parts.blocks):
            return None  # two blocks of one virtual server
        self.kept = _kept(text, parts, configuration, blocks)
        return configuration, outside | bodies

    def _with_known(
        self, text: str, parts: Split, compiled: Callable[[str], Configuration]
    ) -> tuple[Configuration, Bodies] | None:
        kept = self.kept
        marks = [_mark(block) for block in parts.blocks]
        new = [block for block, mark in zip(parts.blocks, marks, strict=True) if mark not in kept.blocks]
        if len(set(marks)) < len(marks) or not all(map(_is_plain, new)):
            return None
        # one at least: a file without any is refused
        shown = new or list(parts.blocks[:1])
        if 2 * len(shown) > len(parts.blocks):
            return None
        try:
            configuration = compiled("".join((parts.before, *shown, parts.after)))
        except ConfigError:
            return None  # its line is another one in the whole
        if configuration.own_warnings != kept.own or not configuration.remarks <= kept.remarks:
            return None
        if kept.remarks and text.count("\n") != kept.lines:
            return None
        outside, groups = _encoded(configuration)
        if len(groups) != len(shown):
            return None
        blocks = kept.blocks | dict(zip(map(_mark, shown), groups, strict=True))
        bodies = dict(outside)
        for mark in marks:
            bodies.update(blocks[mark])
        if len(bodies) < len(outside) + sum(len(blocks[mark]) for mark in marks):
            return None  # two blocks of one virtual server
        self.kept = msgspec.structs.replace(kept, blocks={mark: blocks[mark] for mark in marks})
        return msgspec.structs.replace(configuration, warnings=kept.warnings, remarks=kept.remarks), bodies

    def _whole(
        self, text: str, parts: Split | None, compiled: Callable[[str], Configuration]
    ) -> tuple[Configuration, Bodies]:
        self.kept = Kept()
        configuration = compiled(text)
        outside, groups = _encoded(configuration)
        bodies = dict(outside)
        for group in groups:
            bodies.update(group)
        if (
            parts is not None
            and _all_before(configuration, parts)
            and _is_known_by_blocks(parts)
            and len(groups) == len(parts.blocks)
        ):
            self.kept = _kept(
                text, parts, configuration, dict(zip(map(_mark, parts.blocks), groups, strict=True))
            )
        return configuration, bodies


def _is_known_by_blocks(parts: Split) -> bool:
    """Say whether what is around the blocks, and they themselves, mean the same wherever they stand."""
    return (
        bool(parts.blocks)
        and _DEPENDS.search(parts.before) is None
        and _DEPENDS.search(parts.after) is None
        and all(map(_is_plain, parts.blocks))
    )


def _pieces(blocks: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Part blocks into runs of so many characters, more or less."""
    begin = length = 0
    for at, block in enumerate(blocks):
        length += len(block)
        if length >= size:
            yield blocks[begin : at + 1]
            begin, length = at + 1, 0
    if begin < len(blocks):
        yield blocks[begin:]


def _kept(text: str, parts: Split, configuration: Configuration, blocks: dict[bytes, Bodies]) -> Kept:
    return Kept(
        around=(parts.before, parts.after),
        blocks=blocks,
        remarks=configuration.remarks,
        lines=text.count("\n"),
        warnings=configuration.warnings,
        own=configuration.own_warnings,
    )


def _all_before(configuration: Configuration, parts: Split) -> bool:
    """Say whether every warning is about what stands before the blocks."""
    lines = parts.before.count("\n")
    return all(one.file == configuration.source and one.line <= lines for one in configuration.own_warnings)


def _encoded(configuration: Configuration) -> tuple[Bodies, list[Bodies]]:
    """Encode entities: those of no virtual server, and each virtual server with its real servers.

    Where a pool does not stand in one place all of it is given first, and no virtual server after it.
    """
    outside: list[Entity] = []
    groups: list[list[Entity]] = []
    server = ""
    for entity in configuration.entities:
        if isinstance(entity, VirtualServer):
            server = entity.id
            groups.append([entity])
        elif isinstance(entity, RealServer) and entity.virtual_server == server:
            groups[-1].append(entity)
        else:
            outside.append(entity)
    found = encoded(outside), [encoded(group) for group in groups]
    keys = [key for bodies in (found[0], *found[1]) for key in bodies]
    return found if len(keys) == len(set(keys)) else (encoded(configuration.entities), [])
