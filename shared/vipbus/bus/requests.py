"""Requests to services and to the server itself."""

from __future__ import annotations

import asyncio
import contextlib

import nats.errors

from vipbus.bus.connection import REQUEST_TIMEOUT, Connection
from vipbus.bus.errors import BusAwayError, RefusedError
from vipbus.bus.words import in_words

_NO_RESPONDERS = "503"
"""What the server itself answers where nobody serves a subject."""
_LONGEST_SUBJECT = 1024
"""Characters; the server closes a connection whose line of protocol has more than 4 KiB."""


class Requests(Connection):
    """Asking, and waiting for answers."""

    async def request(self, subject: str, body: bytes, timeout: float = REQUEST_TIMEOUT) -> bytes:
        """Send a request and return the answer's body.

        Raises:
            BusAwayError: nobody answered in time, or the bus is away.
            RefusedError: the service answered with an error, in its words, or this is no subject to ask on.
        """
        self._require()
        if len(subject) > _LONGEST_SUBJECT:
            raise RefusedError(f"a subject of {len(subject)} characters is too long")
        try:
            answer = await self._client.request(subject, body, timeout=timeout)
        except nats.errors.NoRespondersError:
            raise BusAwayError(f"nobody serves {subject}") from None
        except (nats.errors.Error, TimeoutError) as error:
            raise BusAwayError(f"{subject}: {in_words(error)}") from error
        if answer.headers and "Nats-Service-Error" in answer.headers:
            raise RefusedError(answer.headers["Nats-Service-Error"])
        return answer.data

    async def request_many(
        self, subject: str, body: bytes = b"", *, quiet: float, longest: float, enough: int | None = None
    ) -> list[bytes]:
        """Send a request and gather every answer, until none came for ``quiet`` s, ``longest`` s at most.

        ``enough`` answers end the wait at once.

        Raises:
            BusAwayError: the bus is away.
        """
        self._require()
        answers: list[bytes] = []
        inbox = self._client.new_inbox()
        try:
            subscription = await self._client.subscribe(inbox)
        except nats.errors.Error as error:
            raise BusAwayError(f"{subject}: {in_words(error)}") from error
        try:
            await self._client.publish(subject, body, reply=inbox)
            async with asyncio.timeout(longest):
                while enough is None or len(answers) < enough:
                    message = await subscription.next_msg(timeout=quiet)
                    if (message.headers or {}).get("Status") != _NO_RESPONDERS:
                        answers.append(message.data)
        except (TimeoutError, nats.errors.Error):
            return answers
        else:
            return answers
        finally:
            # the connection may have taken it along
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def answers(self, timeout: float = REQUEST_TIMEOUT) -> bool:
        """Ask the server itself for a sign of life: without one, silence on the bus says nothing."""
        if not self.connected:
            return False
        try:
            await self._client.flush(timeout)  # type: ignore[arg-type]  # a float works
        except (nats.errors.Error, TimeoutError, OSError):
            return False
        return self.connected
