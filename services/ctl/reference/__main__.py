"""``python -m ctl.reference docs/command.md``: print one of the documents."""

from __future__ import annotations

import sys

from ctl.__main__ import vipbus
from ctl.reference import manual, markdown, shapes

DOCUMENTS = {
    "docs/command.md": markdown.render,
    "docs/command.schema.json": shapes.render,
    "deploy/man/vipbus.1": manual.render,
}

if __name__ == "__main__":
    sys.stdout.write(DOCUMENTS[sys.argv[1]](vipbus))
