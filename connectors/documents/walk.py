"""One file with everything inside it: each document is a record, however deep it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from dlpagent.connectors.documents import kinds, mail, odf, ooxml, outlook, pdf
from dlpagent.connectors.documents.flow import Blocks, Flow, as_file, flow_of_bytes, unpacked, whole
from dlpagent.connectors.documents.html_text import read_html
from dlpagent.connectors.documents.limits import Budget, LimitReachedError
from dlpagent.connectors.documents.report import Document, Report
from dlpagent.connectors.documents.rtf import RtfText, joined_surrogates
from dlpagent.connectors.documents.zips import Zip, ZipMember
from dlpagent.connectors.sources._decode import decode, mark_of
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.connectors.sources._tar_members import TarMember, TarMembers
from dlpagent.connectors.sources._tar_parts import leads_outside
from dlpagent.connectors.sources._text_pieces import pieces

_PIECE_BYTES = 3 << 20
_PACKED_SUFFIXES = {".gz": "", ".tgz": ".tar", ".bz2": "", ".tbz2": ".tar", ".xz": "", ".txz": ".tar",
                    ".zst": "", ".tzst": ".tar"}  # fmt: skip
_ALL = 1 << 62


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document lies. inner: path inside the file, "" for itself. parent: record above it."""

    inner: str
    name: str
    depth: int = 0
    parent: str | None = None

    def below(self, name: str, parent: str | None) -> Place:
        """A member of what lies here."""
        inner = f"{self.inner}!{name}" if self.inner else name
        return Place(inner, name, self.depth + 1, parent)


class Walk:
    """Reads documents into a report. Raises LimitReachedError only from read_file."""

    def __init__(self, report: Report, at: Callable[[str], None] = lambda _: None) -> None:
        """at: told the place before each document is read."""
        self._report, self._budget, self._at = report, report.budget, at
        self._readers: dict[str, Callable[[BinaryIO, Place], None]] = {
            kinds.PDF: self._pdf, kinds.ZIP: self._zip, kinds.OLE: self._ole, kinds.RTF: self._rtf,
            kinds.HTML: self._html, kinds.MAIL: self._mail, kinds.TAR: self._tar,
        }  # fmt: skip

    def read_file(self, file: BinaryIO, name: str) -> None:
        """The file itself, read in place."""
        place = Place("", name)
        head = file.read(kinds.HEAD_BYTES)
        file.seek(0)
        kind = kinds.kind_of(head, name)
        if kind in self._readers or kind in kinds.PACKED:
            self._guarded(kind, file, place)
            return
        blocks = Blocks(file, "")
        self.member(Flow(blocks.blocks(), self._budget, lambda: blocks.problem), place)

    def member(self, flow: Flow, place: Place) -> None:
        """A member of an archive, an attachment, an embedded file."""
        self._at(place.inner)
        limits = self._budget.limits
        if place.depth > limits.max_depth:
            found = f"expected at most {limits.max_depth} levels, found more (setting max_depth)"
            self._problem(place, found)
            return
        head = flow.read(kinds.HEAD_BYTES)
        kind = kinds.kind_of(head, place.name)
        if kind == kinds.TEXT:
            self._text(head, flow, place)
        elif kind is None:
            found = f"expected a document or text, found {kinds.opaque_kind(head)}"
            self._problem(place, found, "opaque")
        elif flow.problem is not None and not head:
            self._problem(place, flow.problem)
        else:
            self._held(kind, head, flow, place)

    def _held(self, kind: str, head: bytes, flow: Flow, place: Place) -> None:
        rest, is_all = whole(flow, self._budget)
        if not is_all:
            most = self._budget.limits.max_member_mb
            self._problem(place, f"expected at most {most} MiB, found more (setting max_member_mb)")
            return
        self._guarded(kind, as_file(head + rest), place)
        if flow.problem is not None:
            self._problem(place, flow.problem)

    def _guarded(self, kind: str, file: BinaryIO, place: Place) -> None:
        """Parsers of hostile data fail in any way; what they read before counts."""
        self._report.flush()  # what was read before may not be lost with this process
        try:
            if kind in kinds.PACKED:
                self._packed(kind, file, place)
            else:
                self._readers[kind](file, place)
        except LimitReachedError:
            raise
        except MemoryError:
            limit = self._budget.limits.max_memory_mb
            found = f"expected it to be read with {limit} MiB, found that it needs more"
            self._problem(place, f"{found} (setting max_memory_mb)")
        except ImportError:
            found = (
                "expected the package that reads it, found none: pip install 'dlpagent[documents]'"
            )
            self._problem(place, found)
        except Exception as error:  # noqa: BLE001 - hostile data make parsers raise anything
            self._problem(
                place, f"expected a whole {kind} file, found damage ({type(error).__name__})"
            )

    def _problem(self, place: Place, problem: str, status: str = "unread") -> None:
        document = self._report.document(place.inner, parent_id=place.parent)
        document.problem("#file", problem, status)  # type: ignore[arg-type]

    def _document(self, place: Place, mime: str, labels: list[str], **columns: object) -> Document:
        return self._report.document(
            place.inner, mime, labels=labels, parent_id=place.parent, **columns
        )

    def _text(self, head: bytes, flow: Flow, place: Place) -> None:
        document = self._report.document(place.inner, "text/plain", parent_id=place.parent)
        encoding, mark = mark_of(head)
        source = _Behind(head[mark:], flow)
        invalid = 0
        for raw in pieces(source, encoding, _PIECE_BYTES, _PIECE_BYTES):
            decoded = decode(raw, encoding)
            invalid += decoded.invalid_bytes if decoded.encoding != "cp1252" else 0
            document.text("text", decoded.text)
        if invalid:
            found = f"{invalid} bytes that are not (read as U+FFFD)"
            document.problem("#encoding", f"expected {encoding or 'utf-8'}, found {found}")
        if flow.problem is not None:
            document.problem("#end", flow.problem)

    def _packed(self, kind: str, file: BinaryIO, place: Place) -> None:
        """One packed file; a packed tar is an archive at once."""
        name = _unpacked_name(place.name)
        if name.lower().endswith(".tar"):
            self._tar(file, place, kind)
        else:
            self.member(unpacked(file, kind, self._budget), place.below(name, None))

    def _pdf(self, file: BinaryIO, place: Place) -> None:
        try:
            with pdf.Pdf(file) as opened:
                document = self._document(place, pdf.MIME, opened.labels())
                opened.read(document, self._budget)
                for name, raw in opened.attached():
                    self._embedded(name, raw, place, document)
        except pdf.ProtectedPdfError:
            self._protected(place, "a PDF", "a password")

    def _rtf(self, file: BinaryIO, place: Place) -> None:
        read = RtfText(file.read())
        document = self._document(place, "application/rtf", [])
        document.text("text", joined_surrogates(read.text))
        if not read.is_whole:
            document.problem("#end", "expected the end of each group, found the file cut off")
        if read.has_objects:
            document.problem("#objects", "expected text, found pictures or objects", "opaque")

    def _html(self, file: BinaryIO, place: Place) -> None:
        raw = file.read()
        encoding, mark = mark_of(raw)
        page = read_html(decode(raw[mark:], encoding).text)
        document = self._document(place, "text/html", page.labels.values())
        for name, text in page.parts():
            document.text(name, text)

    def _mail(self, file: BinaryIO, place: Place) -> None:
        message = mail.parsed(file.read())
        about = mail.envelope(message)
        document = self._document(
            place, mail.MIME, about.labels, actor_id=about.actor_id, created_at=about.created_at
        )
        found = list(mail.read_mail(message, document, self._budget))
        for one in found:
            self._attachment(one, place, document)

    def _attachment(self, one: mail.Attachment, place: Place, document: Document) -> None:
        if one.is_protected:
            self._protected(place.below(one.name, document.record_id), "an attachment", "rights")
        else:
            self._embedded(one.name, one.raw, place, document, counted=True)

    def _embedded(
        self, name: str, raw: bytes, place: Place, document: Document, *, counted: bool = False
    ) -> None:
        """counted: its bytes were taken from the budget already."""
        self._budget.take_entry()
        if not counted:
            self._budget.take_bytes(len(raw))
        below = place.below(name, document.record_id)
        self.member(flow_of_bytes(raw, _free(self._budget)), below)

    def _protected(self, place: Place, what: str, needs: str) -> None:
        found = f"expected {what} that can be read, found one that needs {needs}"
        self._problem(place, found, "protected")

    def _ole(self, file: BinaryIO, place: Place) -> None:
        with outlook.Compound(file, self._budget) as compound:
            if compound.is_encrypted:
                self._protected(place, "an Office document", "a password or rights")
            elif compound.is_mail:
                self._outlook(outlook.OutlookMail(compound), place)
            elif compound.office_mime is not None:
                document = self._document(place, compound.office_mime, [])
                document.text("runs", compound.runs())
                found = "an Office document of before 2007, of which runs of letters were read"
                document.problem("#form", f"expected .docx, .xlsx or .pptx, found {found}")
            else:
                found = "expected a document, found a compound file of another program"
                self._problem(place, found, "opaque")
            damage = compound.damage()
            if damage is not None:
                self._problem(place, damage)

    def _outlook(self, message: outlook.OutlookMail, place: Place) -> None:
        if place.depth > self._budget.limits.max_depth:
            self._problem(place, "expected fewer levels, found more (setting max_depth)")
            return
        document = self._document(
            place, outlook.MSG_MIME, message.labels(), actor_id=message.sender
        )
        document.text("headers", message.headers())
        plain, page = message.plain(), read_html(decode(message.html()).text)
        document.text("body", plain)
        for name, text in page.parts():
            if name != "text":
                document.text(f"body#{name}", text)
            elif " ".join(text.split()) != " ".join(plain.split()):
                document.text("body", text, mime="text/html")
        if not plain.strip() and not page.parts():
            document.text("body", joined_surrogates(RtfText(message.rtf()).text))
        for one in message.attachments():
            self._attachment(one, place, document)
        for name, inner in message.messages():
            self._budget.take_entry()
            self._outlook(inner, place.below(name, document.record_id))

    def _zip(self, file: BinaryIO, place: Place) -> None:
        opened = Zip(file, self._budget)
        mime, odf_mime = ooxml.mime_of(opened), odf.odf_mime(opened)
        if mime is not None:
            self._office(opened, mime, place)
        elif odf_mime is not None:
            self._odf(opened, odf_mime, place)
        else:
            self._archive(opened, place)

    def _office(self, opened: Zip, mime: str, place: Place) -> None:
        document = self._document(place, mime, ooxml.labels_in(opened))
        _tell_damage(opened, document)
        for _ in opened.members:
            self._budget.take_entry()
        left = ooxml.read_office(opened, document)
        if left.images:
            document.problem("#images", f"expected text, found {left.images} image(s)", "opaque")
        for member in left.embedded:
            below = place.below(member.name.rsplit("/", 1)[-1], document.record_id)
            self.member(opened.flow(member), below)

    def _odf(self, opened: Zip, mime: str, place: Place) -> None:
        if odf.is_encrypted(opened):
            self._protected(place, "an OpenDocument file", "a password")
            return
        document = self._document(place, mime, odf.labels_in(opened))
        _tell_damage(opened, document)
        images = odf.read_odf(opened, document)
        if images:
            document.problem(
                "#images", f"expected text, found {images} image(s) or object(s)", "opaque"
            )

    def _archive(self, opened: Zip, place: Place) -> None:
        if opened.problem is not None:
            self._problem(place, f"{opened.problem}; {len(opened.members)} members were found")
        for member in opened.members:
            self._budget.take_entry()
            if not member.is_folder:
                self._zip_member(opened, member, place.below(member.name, None))

    def _zip_member(self, opened: Zip, member: ZipMember, place: Place) -> None:
        if member.is_protected:
            self._protected(place, "a member", "a password")
        elif member.overlaps:
            found = "one whose data lie inside another's (an overlapping zip bomb?)"
            self._problem(place, f"expected a member of its own, found {found}")
        elif member.kind is not None:
            self._problem(place, f"expected a file, found {member.kind}; it was not followed")
        else:
            self.member(opened.flow(member), place)
        if leads_outside(member.name):
            self._tell_name(place)

    def _tell_name(self, place: Place) -> None:
        found = "expected a name inside the archive, found one that leads outside (.. or /)"
        self._problem(place, f"{found}; nothing was written")

    def _tar(self, file: BinaryIO, place: Place, packed: str = "") -> None:
        stream = Blocks(file, packed)
        members = TarMembers(cast("ByteStream", stream), 0)
        for member in members:
            self._budget.take_entry()
            if member.problem is not None:
                self._problem(place, f"{member.problem} (byte {member.offset} of the archive)")
                continue
            below = place.below(member.name, None)
            if member.kind is not None:
                self._problem(below, f"expected a file, found {member.kind}; it was not followed")
            else:
                self.member(self._tar_flow(members, member), below)
            if leads_outside(member.name):
                self._tell_name(below)

    def _tar_flow(self, members: TarMembers, member: TarMember) -> Flow:
        left = [member.size]

        def blocks() -> Iterator[bytes]:
            while raw := members.content(1 << 18):
                left[0] -= len(raw)
                yield raw

        def problem() -> str | None:
            return "expected the whole member, found the archive cut off" if left[0] > 0 else None

        return Flow(blocks(), self._budget, problem)


class _Behind:
    """Reads the head that was looked at, then the flow behind it."""

    def __init__(self, head: bytes, flow: Flow) -> None:
        self._head, self._flow = head, flow

    def read(self, size: int, /) -> bytes:
        """As a file does."""
        taken, self._head = self._head[:size], self._head[size:]
        return taken + self._flow.read(size - len(taken)) if len(taken) < size else taken


def _free(budget: Budget) -> Budget:
    """A budget of its own for bytes that are counted already; entries inside are not drawn here."""
    return Budget(budget.limits, _ALL)


def _tell_damage(opened: Zip, document: Document) -> None:
    if opened.problem is not None:
        document.problem("#archive", opened.problem)


def _unpacked_name(name: str) -> str:
    lower = name.lower()
    for suffix, instead in _PACKED_SUFFIXES.items():
        if lower.endswith(suffix):
            return name[: -len(suffix)] + instead
    return f"{name}.unpacked"
