"""What texts of the layer-7 tier may be: each reaches HAProxy's configuration, a command or a file."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Word = Annotated[str, msgspec.Meta(pattern=r"\A[^\s\x00-\x1f\x7f-\x9f\"'\\#;<>`${}]{1,1024}\Z")]
"""One word of HAProxy's configuration or of a command: nothing in it can end the word or begin another."""
Token = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.~-]{1,128}\Z")]
"""The name of a parameter, a header or a cookie; it may stand in the brackets of an expression."""
Mode = Literal["http", "tcp"]
Connections = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
