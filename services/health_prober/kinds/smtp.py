"""A mail server's greeting, EHLO or HELO, TLS where it is asked for, and QUIT (RFC 5321, RFC 3207).

aiosmtplib's protocol speaks SMTP over our own connection, one command at a time: its client would do more
than is asked, and look up this host's name with a name server.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable
from typing import Final, TypeVar

from aiosmtplib.errors import SMTPResponseException, SMTPServerDisconnected, SMTPTimeoutError
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from health_prober.attempt import CheckFailedError, NotTriedError, Passed, Steps
from health_prober.sockets import connected
from health_prober.tls import CLOSED, context_for, explain, name_for, warning_for
from vipbus.contracts import SmtpCheck
from vipbus.telemetry.logs import plain

_READY: Final = 220
_DONE: Final = 250
_SHAKING: Final = "waiting for the TLS handshake"
_MOST_LINES: Final = 500
"""In a dialogue: for each that comes by itself, aiosmtplib reads again what there is of a reply."""
_MOST_SHOWN: Final = 80
"""Characters of a reply that a cause has room for."""

_Answer = TypeVar("_Answer")


async def attempt(check: SmtpCheck, steps: Steps) -> Passed:
    """Hold the whole dialogue; QUIT's answer may be any, but must come, as for keepalived."""
    name = _name(check)
    context = None if check.security == "none" else context_for(check.tls)
    server_name = name_for(check, check.tls) if context is not None else None
    steps.wait("connecting")
    connection = await connected(check)
    dialogue = _Dialogue(steps)
    try:
        steps.done("connected")
        # the end of an attempt comes before asyncio's own of a handshake
        patience = 2 * check.timeout + 1
        if context is not None and check.security == "tls":
            steps.wait(_SHAKING)
            handshake = asyncio.get_running_loop().create_connection(
                lambda: dialogue.protocol,
                sock=connection,
                ssl=context,
                server_hostname=server_name or "",
                ssl_handshake_timeout=patience,
            )
            await dialogue.within(handshake)
            dialogue.tell_tls()
        else:
            await asyncio.get_running_loop().create_connection(lambda: dialogue.protocol, sock=connection)
        greeting = await dialogue.reply("the greeting")
        if greeting.code != _READY:
            raise CheckFailedError(f"greeting {_shown(greeting)}")
        offered = await dialogue.hello(name)
        if context is not None and check.security == "starttls":
            if "starttls" not in offered:
                raise CheckFailedError("no STARTTLS offered")
            steps.wait("waiting for STARTTLS")
            await dialogue.within(dialogue.protocol.start_tls(context, server_name, patience))
            dialogue.tell_tls()
            # what was said in the clear may have been anybody's (RFC 3207, section 4.2)
            await dialogue.hello(name)
        warning = warning_for(check.tls, dialogue.certificate)
        await dialogue.command("QUIT")
    finally:
        # no farewell of TLS: it would hold the connection until the server says its own
        dialogue.protocol.abort()
        connection.close()
    return Passed(note=_shown(greeting), warning=warning)


class _Protocol(SMTPProtocol):
    """Ends what does not end by itself, and knows every transport that it had."""

    def __init__(self) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._lines = 0
        self._transports: list[asyncio.WriteTransport] = []
        self.endless = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if isinstance(transport, asyncio.WriteTransport):
            self._transports.append(transport)

    def data_received(self, data: bytes) -> None:
        self._lines += data.count(b"\n")
        if self._lines > _MOST_LINES:
            self.endless = True
            self.abort()
        else:
            super().data_received(data)

    def abort(self) -> None:
        for transport in self._transports:
            transport.abort()


class _Dialogue:
    """Commands and their replies; whatever goes wrong is told in words."""

    def __init__(self, steps: Steps) -> None:
        self.protocol = _Protocol()
        self._steps = steps
        self.certificate: bytes | None = None
        """The server's (DER)."""

    async def hello(self, name: str) -> frozenset[str]:
        """Say EHLO, or HELO to who does not know it (RFC 5321, section 3.2); return what is offered."""
        answer = await self.command("EHLO", name)
        if answer.code // 100 == 5:
            answer = await self.command("HELO", name)
            if answer.code == _DONE:
                return frozenset()
            raise CheckFailedError(f"HELO {_shown(answer)}")
        if answer.code != _DONE:
            raise CheckFailedError(f"EHLO {_shown(answer)}")
        return frozenset(parse_esmtp_extensions(answer.message)[0])

    async def command(self, verb: str, *arguments: str) -> SMTPResponse:
        """Say something and wait for the answer."""
        self._steps.wait(f"waiting for the answer to {verb}")
        words = [each.encode() for each in (verb, *arguments)]
        answer = await self.within(self.protocol.execute_command(*words))
        self._steps.done(f"{verb}: {_shown(answer)}")
        return answer

    async def reply(self, what: str) -> SMTPResponse:
        """Wait for what comes unasked."""
        self._steps.wait(f"waiting for {what}")
        answer = await self.within(self.protocol.read_response())
        self._steps.done(_shown(answer))
        return answer

    def tell_tls(self) -> None:
        """Look at the handshake that is done."""
        transport = self.protocol.transport
        made: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport else None
        if made is not None:
            cipher = made.cipher()
            self.certificate = made.getpeercert(binary_form=True)
            self._steps.done(", ".join(filter(None, (made.version(), cipher and cipher[0]))))

    async def within(self, doing: Awaitable[_Answer]) -> _Answer:
        """Wait for something of aiosmtplib or asyncio, and put its errors in our words.

        Raises:
            CheckFailedError: the server did something else.
            OSError: the connection broke.
        """
        try:
            return await doing
        except SMTPResponseException as error:
            raise CheckFailedError(_refusal(error)) from None
        except SMTPServerDisconnected as error:
            cause: BaseException | None = error
            while cause is not None:
                if isinstance(cause, ssl.SSLError):
                    raise CheckFailedError(explain(cause)) from None
                if isinstance(cause, OSError) and cause.errno:
                    raise OSError(cause.errno, "") from None
                cause = cause.__cause__ or cause.__context__
            raise CheckFailedError(self._closed()) from None
        except SMTPTimeoutError:
            # our time is kept outside; what asyncio calls so is the end of the connection
            raise CheckFailedError(self._closed()) from None
        except ssl.SSLError as error:
            raise CheckFailedError(explain(error)) from None
        except ConnectionError as error:
            if error.errno:
                raise
            raise CheckFailedError(self._closed()) from None  # asyncio's own, without a number

    def _closed(self) -> str:
        if self.protocol.endless:
            return f"endless reply: more than {_MOST_LINES} lines"
        if self._steps.waiting == _SHAKING:
            return CLOSED
        return f"connection closed ({self._steps.waiting})"


def _refusal(error: SMTPResponseException) -> str:
    if error.code > 0:
        return f"STARTTLS {_shown(SMTPResponse(error.code, error.message))}"
    # aiosmtplib's words for what is no reply: "Malformed SMTP response line: ..."
    what, _, line = error.message.partition(": ")
    return f"no SMTP: {_bounded(line)}" if line else f"no SMTP: {what.lower()}"


def _name(check: SmtpCheck) -> str:
    name = check.helo_name or os.uname().nodename
    if not name.isprintable() or not name.strip():
        raise NotTriedError(f"helo_name {name[:_MOST_SHOWN]!r}: no name of a host; mend it")
    return name


def _shown(reply: SMTPResponse) -> str:
    return _bounded(f"{reply.code} {reply.message.partition(chr(10))[0]}")


def _bounded(text: str) -> str:
    text = text.strip()
    return plain(text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}...")
