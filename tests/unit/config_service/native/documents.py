"""Every document of the tests that is accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema

HERE = Path(__file__).parent
DOCS = Path(__file__).parents[4] / "docs"


def validator(schema: dict[str, Any]) -> jsonschema.Draft7Validator:
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def documents() -> Iterator[tuple[str, str]]:
    """Give each with its name."""
    for path in sorted((HERE / "examples").glob("*.toml")):
        yield path.stem, path.read_text()
    for name in ("table", "checks", "configuration"):
        text = (DOCS / f"{name}.md").read_text()
        for number, found in enumerate(re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)):
            yield f"{name}-{number}", found
