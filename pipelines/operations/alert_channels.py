"""Alert channels: how a message reaches people, by webhook or by mail, bounded in time and without telling secrets.

Belongs here: the wire. Must not be here: what is said and when (see ``alerting``).

What went wrong is told in our own words: the texts of network errors hold addresses, and an address may hold a token.
"""

import hashlib
import hmac
import http.client
import json
import smtplib
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

ONE_TRY = 10.0
FIRST_PAUSE = 0.5
MOST_OF_ANSWER = 4096
"""Bytes of a receiver's answer that are read: enough for the code in it."""

SHAPES = ("generic", "wecom", "dingtalk", "feishu")


@dataclass(frozen=True)
class Message:
    """What is sent.

    Parameters
    ----------
    key : str
        The same for every attempt to tell the same thing, so that a receiver can drop what it has already.
    subject, text : str
        For people, in English and Chinese.
    facts : mapping
        For machines.
    """

    key: str
    subject: str
    text: str
    facts: Mapping[str, Any]


class UndeliveredError(Exception):
    """A message did not arrive. The text names neither addresses nor secrets; a final one is not tried again."""

    def __init__(self, text: str, *, is_final: bool) -> None:
        super().__init__(text)
        self.is_final = is_final


class Channel(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """The channel and its host, for a line on a terminal."""

    def send(self, message: Message, seconds: float) -> None:
        """Send once, waiting for the network at most so many seconds at a time; raises UndeliveredError."""


@dataclass(frozen=True)
class Webhook:
    """A JSON POST.

    Parameters
    ----------
    url : str
        Where to; never shown, since its path may be the receiver's password.
    secret : str or None
        Signs the body: ``X-Trust-Signature: sha256=`` HMAC of ``<X-Trust-Timestamp>.<body>``.
    shape : str
        One of :data:`SHAPES`: what the receiver reads the text from.
    """

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    shape: str = "generic"

    @property
    def name(self) -> str:
        """The channel and its host."""
        return f"webhook at {urlsplit(self.url).hostname}"

    def send(self, message: Message, seconds: float) -> None:
        """POST once; anything but a success (2xx) raises. Redirects are not followed: they may lead anywhere."""
        body = self._body(message)
        headers = self._headers(message, body)
        request = urllib.request.Request(self.url, body, headers, method="POST")  # noqa: S310 # http(s), see alerting
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds) as answer:
                self._judge(answer.read(MOST_OF_ANSWER))
        except urllib.error.HTTPError as error:
            error.close()
            if 300 <= error.code < 400:
                raise UndeliveredError("redirects to another address, which is not followed", is_final=True) from None
            is_final = error.code < 500 and error.code not in (408, 425, 429)
            raise UndeliveredError(f"answered with HTTP {error.code}", is_final=is_final) from None
        except (OSError, http.client.HTTPException) as error:
            raise _undelivered(error) from None

    def _body(self, message: Message) -> bytes:
        said: dict[str, Any] = {
            "generic": {"text": message.text, "id": message.key, **message.facts},
            "wecom": {"msgtype": "text", "text": {"content": message.text}},
            "dingtalk": {"msgtype": "text", "text": {"content": message.text}},
            "feishu": {"msg_type": "text", "content": {"text": message.text}},
        }[self.shape]
        return json.dumps(said, ensure_ascii=False, default=str).encode()

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "indirect-trust",
            "X-Trust-Alert-Id": message.key,
        }
        if self.secret:
            moment = str(int(time.time()))
            signed = hmac.new(self.secret.encode(), moment.encode() + b"." + body, hashlib.sha256)
            headers |= {"X-Trust-Timestamp": moment, "X-Trust-Signature": f"sha256={signed.hexdigest()}"}
        return headers

    def _judge(self, answer: bytes) -> None:
        """WeCom, DingTalk and Feishu answer 200 to a message that they refuse, with a code in the body."""
        if self.shape == "generic":
            return
        try:
            told = json.loads(answer)
        except ValueError:
            told = None
        code = told.get("errcode", told.get("code")) if isinstance(told, dict) else None
        if code != 0:
            raise UndeliveredError(f"refused the message (code {code!r:.20})", is_final=True)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Mail:
    """A mail through an SMTP server.

    Parameters
    ----------
    url : str
        ``smtp://user@host:587`` (STARTTLS, or nothing is sent), ``smtps://`` (TLS from the start) or ``smtp+plain://``
        (neither, and no login: for a relay on the same machine).
    password : str or None
        Of the user; None takes the one in the address, if any.
    sender : str
        Who sends.
    recipients : tuple of str
        Who reads.
    """

    url: str = field(repr=False)
    password: str | None = field(repr=False)
    sender: str
    recipients: tuple[str, ...]

    @property
    def name(self) -> str:
        """The channel and its host."""
        return f"mail through {urlsplit(self.url).hostname}"

    def send(self, message: Message, seconds: float) -> None:
        """Hand the mail over once; raises where the server does not take it for every recipient."""
        try:
            with self._connected(seconds) as server:
                refused = server.send_message(self._mail(message))
        except smtplib.SMTPNotSupportedError:
            raise UndeliveredError("offers no STARTTLS or no login", is_final=True) from None
        except smtplib.SMTPAuthenticationError as error:
            is_final = error.smtp_code >= 500
            raise UndeliveredError(f"refused the login (SMTP {error.smtp_code})", is_final=is_final) from None
        except smtplib.SMTPRecipientsRefused:
            raise UndeliveredError("refused every recipient", is_final=True) from None
        except smtplib.SMTPResponseException as error:
            is_final = error.smtp_code >= 500
            raise UndeliveredError(f"answered with SMTP {error.smtp_code}", is_final=is_final) from None
        except OSError as error:
            raise _undelivered(error) from None
        if refused:
            raise UndeliveredError(f"refused {len(refused)} of {len(self.recipients)} recipients", is_final=True)

    def _connected(self, seconds: float) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        host, context = parts.hostname or "", ssl.create_default_context()
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=seconds, context=context)
        else:
            server = smtplib.SMTP(host, parts.port or (25 if parts.scheme == "smtp+plain" else 587), timeout=seconds)
        try:
            self._introduced(server, parts, context)
        except BaseException:
            server.close()
            raise
        return server

    def _introduced(self, server: smtplib.SMTP, parts: SplitResult, context: ssl.SSLContext) -> None:
        if parts.scheme == "smtp":
            server.starttls(context=context)
        password = self.password or unquote(parts.password or "")
        if parts.username and password:
            server.login(unquote(parts.username), password)

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = message.subject
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.recipients)
        mail["Date"] = formatdate()
        mail["Message-ID"] = f"<{message.key}@indirect-trust.invalid>"
        mail.set_content(message.text)
        return mail


def deliver(channel: Channel, message: Message, seconds: float) -> None:
    """Send through a channel, again after growing pauses where it may help, for at most so many seconds.

    Raises
    ------
    UndeliveredError
        The last one, if it never worked.
    """
    end = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while True:
        try:
            channel.send(message, min(ONE_TRY, max(0.1, end - time.monotonic())))
        except UndeliveredError as error:
            if error.is_final or time.monotonic() + pause >= end:
                raise
        else:
            return
        time.sleep(pause)
        pause *= 2


def _undelivered(error: OSError | http.client.HTTPException) -> UndeliveredError:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return UndeliveredError("shows a certificate that is not trusted", is_final=True)
    words = {
        ConnectionRefusedError: "refused the connection",
        TimeoutError: "did not answer in time",
        socket.gaierror: "is not a known host",
        ssl.SSLError: "speaks no TLS that we do",
    }
    said = next((text for kind, text in words.items() if isinstance(cause, kind)), "broke the connection")
    return UndeliveredError(said, is_final=False)
