"""``schema``: print the JSON Schema of vipbus.toml."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from config_service.native.schema import schema as made


def schema(arguments: Sequence[str]) -> int:
    """Print it: 0."""
    argparse.ArgumentParser(
        prog="config-service schema", description="Print the JSON Schema of vipbus.toml, for editors."
    ).parse_args(arguments)
    sys.stdout.write(text())
    return 0


def text() -> str:
    """Write the schema as docs/vipbus.schema.json has it."""
    return json.dumps(made(), indent=1, ensure_ascii=False) + "\n"
