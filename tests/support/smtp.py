"""A mail server that takes what it is sent, or answers as it is told (RFC 5321)."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Callable
from email.message import EmailMessage


class MailServer:
    """A context; on loopback, on a port of its own."""

    def __init__(self, port: int = 0) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.hellos: list[str] = []
        self.answer: Callable[[str], str | None] = lambda _: None
        """Given a command line, an answer instead of the usual one; it may wait."""
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", port), self._handler(), False)
        self._server.allow_reuse_address = True
        self._server.daemon_threads = True
        self._server.server_bind()
        self._server.server_activate()
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> MailServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def subjects(self) -> list[str]:
        """Of the mails that it took, in order."""
        return [str(mail["Subject"]) for mail in self.mails]

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                server._serve(self)

        return Handler

    def _serve(self, connection: socketserver.StreamRequestHandler) -> None:
        def say(text: str) -> None:
            connection.wfile.write(text.encode() + b"\r\n")

        sender, recipients = "", list[str]()
        say("220 test")
        for raw in connection.rfile:
            line = raw.decode().rstrip("\r\n")
            verb = line.upper()
            other = self.answer(line)
            if other is not None:
                say(other)
            elif verb.startswith(("EHLO", "HELO")):
                self.hellos.append(line.split(maxsplit=1)[1])
                say("250 test")
            elif verb.startswith("MAIL FROM:"):
                sender, recipients = line[10:].split(">")[0].strip("< "), []
                say("250 ok")
            elif verb.startswith("RCPT TO:"):
                recipients.append(line[8:].split(">")[0].strip("< "))
                say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                self.envelopes.append((sender, recipients))
                self.mails.append(_content(connection))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


def _content(connection: socketserver.StreamRequestHandler) -> EmailMessage:
    content = bytearray()
    for line in connection.rfile:
        if line == b".\r\n":
            break
        content += line.removeprefix(b".")
    mail = email.message_from_bytes(bytes(content), policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail
