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
Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,1024}\Z")]
"""A line of text, as a header's value is: it is quoted where it is written."""
Pattern = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,1024}\Z")]
"""A regular expression (pcre2syntax(3)): it is quoted where it is written."""
Template = Annotated[str, msgspec.Meta(pattern=r"\A[^\s\x00-\x1f\x7f-\x9f]{1,1024}\Z")]
"""What takes the place of something that a `Pattern` found."""
Path = Annotated[str, msgspec.Meta(pattern=r"\A/[^\s\x00-\x1f\x7f-\x9f?#\"'\\;<>`${}]{0,1023}\Z")]
"""The path of a URL, or its beginning."""
Host = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\Z")]
"""A name of DNS or an IPv4 address, in small letters."""
HostPattern = Annotated[str, msgspec.Meta(pattern=r"\A(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\Z")]
"""A `Host`, or ``*.`` and one: all names below it."""
Method = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{1,32}\Z")]
File = Annotated[str, msgspec.Meta(pattern=r"\A(/[A-Za-z0-9_.@+=:-]{1,255}){1,32}\Z")]
"""An absolute path on the router."""
