"""What an error of the client library means, in words."""

from __future__ import annotations

import os
import socket

import nats.errors


def in_words(error: BaseException) -> str:
    """Say what an error of the client library means; many print as an empty string or as Python."""
    if description := getattr(error, "description", None):
        return str(description)
    if isinstance(error, TimeoutError | nats.errors.TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = str(error) or type(error).__name__
    if "authorization" in text.lower():
        return "it refuses us: wrong or missing token, user or password in the URL"
    return text
