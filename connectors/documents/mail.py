"""Mails (RFC 5322, MIME): headers, every body, attachments; signed and encrypted ones, too."""

from __future__ import annotations

import email
import email.errors
import email.header
import email.message
import email.policy
import email.utils
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message

from dlpagent.connectors.documents.html_text import HtmlText, read_html, tidy
from dlpagent.connectors.documents.labels import LabelProperties
from dlpagent.connectors.documents.limits import Budget
from dlpagent.connectors.documents.report import Document
from dlpagent.connectors.sources._decode import decode

MIME = "message/rfc822"
# Signatures and keys: long rows of letters that say nothing.
_DULL = frozenset({
    "dkim-signature", "arc-seal", "arc-message-signature", "arc-authentication-results",
    "x-google-dkim-signature", "domainkey-signature", "x-ms-exchange-antispam-messagedata",
    "x-ms-exchange-antispam-messagedata-0", "x-microsoft-antispam-message-info",
})  # fmt: skip
# What says that something is missing; other defects are matters of style.
_LOSSES = (
    email.errors.StartBoundaryNotFoundDefect,
    email.errors.CloseBoundaryNotFoundDefect,
    email.errors.NoBoundaryInMultipartDefect,
    email.errors.InvalidBase64PaddingDefect,
    email.errors.InvalidBase64LengthDefect,
)
_USUAL_PREAMBLE = "This is a multi-part message in MIME format."
_MAX_HEADER_CHARS = 20_000
_MAX_NESTING = 50
_ENCRYPTED_NAMES = ("message.rpmsg", "message_v2.rpmsg", "message_v3.rpmsg", "message_v4.rpmsg")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail. is_protected: its form says that it is encrypted."""

    name: str
    raw: bytes
    is_protected: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the headers say of the whole mail."""

    labels: list[str]
    actor_id: str | None
    created_at: datetime | None


def parsed(raw: bytes) -> Message:
    """The mail. Damage makes odd parts, never an error."""
    return email.message_from_bytes(raw, policy=email.policy.compat32)


def envelope(message: Message) -> Envelope:
    """Sender, time and sensitivity labels."""
    labels = LabelProperties()
    for name, value in _headers(message):
        if name.lower() == "msip_labels":
            labels.add_text(value.replace("\n", ""))
    sender = email.utils.parseaddr(_header(message, "From"))[1] or None
    return Envelope(labels.values(), sender, _time_of(_header(message, "Date")))


def read_mail(message: Message, document: Document, budget: Budget) -> Iterator[Attachment]:
    """Parts `headers`, `body`, `body~2` …; attachments are given to the caller."""
    lines = [f"{name}: {value}" for name, value in _headers(message) if name.lower() not in _DULL]
    document.text("headers", "\n".join(lines))
    shown: set[str] = set()
    for part in _leaves(message, document):
        budget.take_entry()
        yield from _read_leaf(part, document, budget, shown)


def _leaves(message: Message, document: Document) -> Iterator[Message]:
    """Parts that hold no others, in order, without recursion."""
    waiting: list[tuple[Message, int]] = [(message, 0)]
    while waiting:
        part, depth = waiting.pop()
        _tell_losses(part, document)
        kind = part.get_content_type()
        below = part.get_payload()
        for around in (part.preamble, part.epilogue):  # what programs for mail do not show
            if around and around.strip() and around.strip() != _USUAL_PREAMBLE:
                document.text("around", around)
        if isinstance(below, list) and kind != "message/rfc822":
            if depth >= _MAX_NESTING:
                document.problem(
                    "#parts", f"expected at most {_MAX_NESTING} parts inside each other"
                )
                continue
            if part.get_content_subtype() == "encrypted":
                document.problem(
                    "body", "expected a readable mail, found an encrypted one", "protected"
                )
            waiting += [(one, depth + 1) for one in reversed(below) if isinstance(one, Message)]
        else:
            yield part


def _read_leaf(
    part: Message, document: Document, budget: Budget, shown: set[str]
) -> Iterator[Attachment]:
    kind, name = part.get_content_type(), _file_name(part)
    below = part.get_payload()
    if isinstance(below, list):  # a mail as it was sent on
        for number, inner in enumerate(below):
            if isinstance(inner, Message):
                yield Attachment(name or f"message{number or ''}.eml", inner.as_bytes())
        return
    raw = _content(part, document)
    _tell_losses(part, document)
    budget.take_bytes(len(raw))
    is_text = part.get_content_maintype() == "text" and kind != "text/calendar"
    if is_text and not name and part.get_content_disposition() != "attachment":
        text = _text(raw, part.get_content_charset())
        _read_body(text, kind, document, shown)
    elif raw:
        smime = str(part.get_param("smime-type", "")).lower()
        is_protected = smime.startswith(("enveloped", "authenveloped"))
        is_protected |= (name or "").lower() in _ENCRYPTED_NAMES
        is_protected |= (
            kind == "application/octet-stream" and raw[:27] == b"-----BEGIN PGP MESSAGE-----"
        )
        yield Attachment(name or f"attachment.{part.get_content_subtype()}", raw, is_protected)


def _read_body(text: str, kind: str, document: Document, shown: set[str]) -> None:
    """An alternative that says in HTML what was said in plain text is not counted twice."""
    if kind != "text/html":
        shown.add(" ".join(tidy(text).split()))
        document.text("body", text, mime=kind)
        return
    page: HtmlText = read_html(text)
    for name, piece in page.parts():
        if name == "text":
            seen = " ".join(piece.split())
            if seen in shown:
                continue
            shown.add(seen)
        document.text("body" if name == "text" else f"body#{name}", piece, mime=kind)


def _tell_losses(part: Message, document: Document) -> None:
    """Each loss once: what was told is taken from the list."""
    for defect in [one for one in part.defects if isinstance(one, _LOSSES)]:
        part.defects.remove(defect)
        name = type(defect).__name__.removesuffix("Defect")
        document.problem("#damage", f"expected whole parts of a mail, found damage ({name})")


def _content(part: Message, document: Document) -> bytes:
    try:
        raw = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        document.problem("#encoding", "expected a part in a known transfer encoding, found damage")
        return b""
    return raw if isinstance(raw, bytes) else b""


def _text(raw: bytes, charset: str | None) -> str:
    try:
        return raw.decode(charset or "utf-8")
    except (LookupError, ValueError):
        return decode(raw).text


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename()
    except (ValueError, LookupError, TypeError):
        return "attachment"
    return _decoded(name) if name else ""


def _headers(message: Message) -> Iterator[tuple[str, str]]:
    for name, value in message.items():
        yield str(name), _decoded(str(value)[:_MAX_HEADER_CHARS])


def _header(message: Message, name: str) -> str:
    return _decoded(str(message.get(name, ""))[:_MAX_HEADER_CHARS])


def _decoded(value: str) -> str:
    """Encoded words (=?utf-8?q?…?=) as text; what is broken stays as it is."""
    plain = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    plain = plain.replace("\r\n", "\n").replace("\n\t", " ").replace("\n ", " ")
    try:
        return str(email.header.make_header(email.header.decode_header(plain)))
    except (ValueError, LookupError, email.errors.HeaderParseError):
        return plain


def _time_of(value: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
