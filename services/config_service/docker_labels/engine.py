"""A Docker engine, read only: who there is, what they are like, what happens. The SDK is used here alone.

Five requests are made, all GET: ``/_ping``, ``/version``, ``/containers/json``, ``/containers/ID/json`` and
``/events``. Whoever gives access through a proxy need not allow another.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env

from config_service.docker_labels.containers import (
    LABEL,
    Container,
    Event,
    MalformedError,
    container_of,
    event_of,
)
from config_service.docker_labels.view import ACTIONS

_TIMEOUT: Final = 10
"""Seconds for an answer; the stream of events apart."""
_MOST_INNER: Final = 100
_STREAM_GRACE: Final = 10.0
"""Seconds that a stream may last beyond its end: one that does is of an engine that is gone."""


class EngineError(Exception):
    """The engine gave no answer, or none that can be worked with; the message says why and what to do."""


class Engine:
    """One connection to an engine; use it as a context."""

    def __init__(self, host: str) -> None:
        with _in_words(host):
            # TLS as the docker command has it: DOCKER_TLS_VERIFY and DOCKER_CERT_PATH
            tls: Any = kwargs_from_env().get("tls", False)
            self._client = docker.APIClient(base_url=host, version="auto", timeout=_TIMEOUT, tls=tls)
        self._host = host
        self._stream: Any = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def now(self) -> datetime:
        """Read the engine's own clock, to the second.

        Raises:
            EngineError: it gave no answer.
        """
        with _in_words(self._host):
            answer = self._client.get(f"{self._client.base_url}/_ping", timeout=_TIMEOUT)
            answer.raise_for_status()
            return parsedate_to_datetime(answer.headers.get("Date", "")).astimezone(UTC)

    def containers(self) -> list[Container]:
        """Inspect every container that runs and has our label.

        Raises:
            EngineError: it gave no answer.
        """
        with _in_words(self._host):
            listed = self._client.containers(filters={"label": LABEL})
            ids = [str(each["Id"]) for each in listed]
        found = (self.container(id_) for id_ in ids)
        return [each for each in found if each is not None]

    def container(self, id_: str) -> Container | None:
        """Inspect a container; None: there is none any more.

        Raises:
            EngineError: it gave no answer.
        """
        with _in_words(self._host):
            try:
                return container_of(self._client.inspect_container(id_))
            except NotFound:
                return None

    def events(self, since: datetime, until: datetime) -> Iterator[Event]:
        """Give what happens until a moment, beginning with what the engine remembers since another.

        The end comes early when the engine goes away.

        Raises:
            EngineError: it gave no answer, or none that is an event.
        """
        with _in_words(self._host):
            stream = self._stream = self._client.events(
                since=int(since.timestamp()),
                until=int(until.timestamp()),
                filters={"type": ["container", "network"], "event": list(ACTIONS)},
                decode=True,
            )
        lasts = (until - datetime.now(UTC)).total_seconds()
        watchdog = threading.Timer(max(lasts, 0.0) + _STREAM_GRACE, self.close_stream)
        watchdog.daemon = True
        watchdog.start()
        try:
            while self._stream is stream:  # nobody closed it
                with _in_words(self._host):
                    said = next(stream, None)
                    if said is None:
                        return
                    event = event_of(said)
                yield event
        finally:
            watchdog.cancel()
            self.close_stream()

    def close_stream(self) -> None:
        """End the stream of events, from any thread."""
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.close()
            except (OSError, AttributeError, DockerException):
                return  # it has ended already


@contextmanager
def _in_words(host: str) -> Iterator[None]:
    try:
        yield
    except APIError as error:
        why = str(error.explanation or error).strip().splitlines()[0][:200]
        if error.status_code in (401, 403):
            why += "; allow GET of /_ping, /version, /containers and /events"
        raise EngineError(f"the Docker engine at {host} refuses: {why}") from None
    except MalformedError as error:
        raise EngineError(f"the Docker engine at {host}: {error}") from None
    except (
        DockerException,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:
        raise EngineError(f"the Docker engine at {host} does not answer{_why(error)}") from None


def _why(error: BaseException) -> str:
    """Find the error of the operating system under those of three libraries."""
    inner: list[object] = [error]
    for each in inner:
        if len(inner) > _MOST_INNER:
            break
        if isinstance(each, OSError) and each.errno:
            if each.errno == errno.EACCES:
                return ": no permission for its socket; let this user in, or go through a proxy"
            return f" ({each.strerror})"
        if isinstance(each, BaseException):
            inner += [*each.args, each.__cause__, each.__context__, getattr(each, "reason", None)]
    return f" ({type(error).__name__})"
