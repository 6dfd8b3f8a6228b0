"""Whether what ``--json`` printed is what docs/command.schema.json says, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec

from ctl.__main__ import vipbus
from ctl.reference.shapes import printed, struct_of

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "command.schema.json").read_text())


def as_documented(command: str, text: str) -> Any:
    """Decode what a command printed; fails where its shape is another."""
    option = printed(vipbus)[command]
    found = [json.loads(line) for line in text.splitlines()] if option.form == "lines" else [json.loads(text)]
    for document in found:
        jsonschema.validate({command: document}, {**SCHEMA, "minProperties": 1})
        # a name that nobody reads any more would do no harm to a schema with defaults
        kind = tuple[struct_of(option), ...] if option.form == "array" else struct_of(option)
        again = json.loads(msgspec.json.encode(msgspec.json.decode(json.dumps(document), type=kind)))
        assert again == document or option.form == "lines", command
    return found if option.form == "lines" else found[0]
