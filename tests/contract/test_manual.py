"""The list of the manual's keywords that the tests go by is that of the page that Debian has."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from tests.support.manual import MANUAL, PROSE

PAGE = Path("/usr/share/man/man5/keepalived.conf.5.gz")
_BOLD = re.compile(r"\\fB([A-Za-z_~$@-][A-Za-z0-9_{}^-]*)")


@pytest.mark.skipif(not PAGE.exists(), reason="an image without manual pages")
def test_whatever_the_manual_has_in_bold_is_in_the_list() -> None:
    bold = set(_BOLD.findall(gzip.decompress(PAGE.read_bytes()).decode()))
    known = {word for words in MANUAL.values() for word in words.split()}
    assert len(bold) > 300
    assert bold - known - set(PROSE.split()) == set()
