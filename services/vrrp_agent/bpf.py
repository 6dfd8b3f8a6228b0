"""Classic BPF: what a socket is not to hear costs this process nothing (filter.rst of the kernel)."""

from __future__ import annotations

import array
import socket
import struct
from collections.abc import Sequence

LOAD_BYTE, LOAD_HALF = 0x30, 0x28
"""The accumulator becomes the byte or the big-endian two bytes at offset ``k``."""
JUMP_EQUAL = 0x15
"""Skip ``jt`` instructions when the accumulator is ``k``, else ``jf``."""
RETURN = 0x06
"""Keep ``k`` bytes; 0: drop."""
WHOLE = 0xFFFFFFFF

_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")

Instruction = tuple[int, int, int, int]
"""``(code, jt, jf, k)``."""


def attach(listening: socket.socket, program: Sequence[Instruction]) -> None:
    """Let a socket hear only what a program keeps, in place of the program before.

    Raises:
        OSError: the kernel does not take the program.
    """
    code = array.array("B", b"".join(_INSTRUCTION.pack(*each) for each in program))
    pointer, _ = code.buffer_info()
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), pointer))
