"""Mail about changes of role, in order, from a thread of its own: a mail server may take its time."""

from __future__ import annotations

import logging
import smtplib
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import msgspec

from vipbus.contracts import Mail
from vrrp_agent import metrics
from vrrp_agent.notify.told import Mailed

log = logging.getLogger(__name__)

MOST = 1000
"""Mails that wait; then the oldest are dropped."""
FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0
"""Seconds until a server is tried again: the first, doubled each time, and the most."""
GIVE_UP = 24 * 3600.0
"""Seconds after which a mail is no news any more."""


class _Letter(msgspec.Struct, frozen=True):
    mail: Mail
    mailed: Mailed
    written: datetime
    until: float
    """Seconds of the monotonic clock."""


class Mailer:
    """A queue of mails and the thread that sends them."""

    def __init__(self, problem: Callable[[str, str], None]) -> None:
        self._problem = problem
        self._letters: deque[_Letter] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._finishing_at: float | None = None

    def send(self, mail: Mail, mailed: Mailed) -> None:
        """Have a mail sent; this only puts it in the queue."""
        letter = _Letter(mail, mailed, datetime.now(UTC), time.monotonic() + GIVE_UP)
        with self._changed:
            self._letters.append(letter)
            if len(self._letters) > MOST:
                self._letters.popleft()
                metrics.NOTIFICATIONS.add(way="mail", outcome="dropped")
            metrics.NOTIFICATIONS_WAITING.set(len(self._letters), way="mail")
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._main, name="mail", daemon=True)
                self._thread.start()

    @property
    def idle(self) -> bool:
        """True when no mail waits."""
        return not self._letters

    def finish(self, within: float) -> None:
        """Try what waits once more, for so many seconds at most."""
        with self._changed:
            self._finishing_at = time.monotonic() + within
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(within)
        if self._letters:
            log.warning("%d mails could not be sent before the end", len(self._letters))

    # ---- the thread

    def _main(self) -> None:
        retry = FIRST_RETRY
        while (letter := self._next()) is not None:
            why = self._try(letter)
            if why is None:
                retry = FIRST_RETRY
                continue
            self._problem("mail", f"mail server {_where(letter.mail)} takes no mail: {why}; trying again")
            with self._changed:
                if self._finishing_at is not None:
                    return
                self._changed.wait_for(lambda: self._finishing_at is not None, retry)
            retry = min(2 * retry, LONGEST_RETRY)

    def _next(self) -> _Letter | None:
        """Wait for a mail; None: it is the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._letters or self._finishing_at is not None)
            return self._letters[0] if self._letters else None

    def _try(self, letter: _Letter) -> str | None:
        """Send one mail or drop it; return why it is to be tried again, None: it is done with."""
        outcome = "delivered"
        try:
            self._deliver(letter)
        except smtplib.SMTPResponseException as error:
            if error.smtp_code < 500:
                return f"{error.smtp_code} {_text(error.smtp_error)}"
            outcome = "failed"
            log.warning("mail %r is refused: %s", letter.mailed.subject, _text(error.smtp_error))
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()), (550, b""))
            if code < 500:
                return f"{code} {_text(text)}"
            outcome = "failed"
            log.warning("mail %r is refused: %s", letter.mailed.subject, _text(text))
        except (OSError, smtplib.SMTPException) as error:
            if time.monotonic() < letter.until:
                return str(error) or type(error).__name__
            outcome = "dropped"
        except Exception as error:  # one mail that cannot be written must not hold the others
            outcome = "failed"
            log.warning("mail %r cannot be sent: %s", letter.mailed.subject, error)
        metrics.NOTIFICATIONS.add(way="mail", outcome=outcome)
        self._problem("mail", "")
        with self._changed:
            if self._letters and self._letters[0] is letter:  # it may have been dropped for a newer one
                self._letters.popleft()
            metrics.NOTIFICATIONS_WAITING.set(len(self._letters), way="mail")
        return None

    def _deliver(self, letter: _Letter) -> None:
        mail = letter.mail
        timeout = mail.timeout or 30.0
        if self._finishing_at is not None:
            timeout = max(0.1, min(timeout, self._finishing_at - time.monotonic()))
        with smtplib.SMTP(mail.host, mail.port, local_hostname=mail.helo, timeout=timeout) as server:
            refused = server.send_message(_message(letter), mail.sender, list(mail.recipients))
        for recipient, (code, text) in refused.items():
            log.warning("mail to %s is refused: %d %s", recipient, code, _text(text))


def _message(letter: _Letter) -> EmailMessage:
    message = EmailMessage()
    message["From"] = letter.mail.sender
    message["To"] = ", ".join(letter.mail.recipients)
    message["Subject"] = letter.mailed.subject
    message["Date"] = format_datetime(letter.written)
    message["Message-ID"] = make_msgid(domain=letter.mail.sender.rpartition("@")[2] or None)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer from holiday programs
    message.set_content(letter.mailed.text)
    return message


def _where(mail: Mail) -> str:
    return f"{mail.host}:{mail.port}"


def _text(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
