"""An image with this machine's own HAProxy, for where the official one cannot be had."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

_DOCKERFILE = """\
FROM python:3.13-slim
COPY lib /opt/lib
COPY haproxy /usr/local/sbin/haproxy
ENV LD_LIBRARY_PATH=/opt/lib
"""
_OF_C = re.compile(r"/(libc|libm|libdl|librt|libpthread|libresolv)\.so")


def build(tag: str, program: str, directory: Path) -> None:
    """Build it: the program, and what it is linked with but the C library."""
    libraries = directory / "lib"
    libraries.mkdir()
    shutil.copy(program, directory / "haproxy")
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"=> (/\S+)", linked):
        if not _OF_C.search(path):
            shutil.copy(path, libraries)
    (directory / "Dockerfile").write_text(_DOCKERFILE)
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, str(directory)], check=True, capture_output=True
    )
