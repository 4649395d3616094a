"""PDF by pdfium: text of pages, annotations, form fields, outline, properties, attached files."""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from dlpagent.connectors.documents.html_text import read_html
from dlpagent.connectors.documents.labels import LabelProperties
from dlpagent.connectors.documents.limits import Budget
from dlpagent.connectors.documents.report import Document

MIME = "application/pdf"
_PASSWORD_NEEDED = 4
_MAX_VALUE_BYTES = 2 << 20
_MAX_ANNOTATIONS = 5_000
_MAX_BROKEN_PAGES = 100
_MAX_OUTLINE = 10_000
_ANNOTATION_KEYS = (b"Contents", b"RC", b"V", b"DV", b"T", b"TU", b"Subj")
_LABEL_KEY = re.compile(rb"/(MSIP_Label_[0-9A-Fa-f-]{36}_[A-Za-z]{1,20})")
_STREAM = re.compile(rb"/Type\s*/ObjStm\b[^>]{0,200}>>\s*stream\r?\n")
_XMP = re.compile(rb"<x:xmpmeta.{0,1000000}?</x:xmpmeta>", re.DOTALL)
_MAX_STREAMS = 200
_MAX_STREAM_BYTES = 1 << 20
_IMAGE = 3


class ProtectedPdfError(Exception):
    """A password is needed to read it."""


class Pdf:
    """An open document, for a with statement. Raises ProtectedPdfError, or pdfium's own error."""

    def __init__(self, file: BinaryIO) -> None:
        import pypdfium2 as pdfium  # noqa: PLC0415 - of an extra

        file.seek(0)
        self._raw = file.read()
        self._native = pdfium.raw
        self._error: type[Exception] = pdfium.PdfiumError
        try:
            self._pdf: Any = pdfium.PdfDocument(self._raw)
        except pdfium.PdfiumError as error:
            if getattr(error, "err_code", None) == _PASSWORD_NEEDED or "assword" in str(error):
                raise ProtectedPdfError from None
            raise
        self._forms: Any = None
        with contextlib.suppress(pdfium.PdfiumError):
            self._pdf.init_forms()
            self._forms = self._pdf.formenv

    def __enter__(self) -> Pdf:
        return self

    def __exit__(self, *_: object) -> None:
        self._pdf.close()

    def labels(self) -> list[str]:
        """MSIP_Label_… entries of its properties."""
        found = LabelProperties()
        for key in sorted(_label_keys(self._raw)):
            found.add(key.decode("ascii"), self._property(key))
        return found.values()

    def read(self, document: Document, budget: Budget) -> None:
        """All parts but attached files. Pages that cannot be read are told."""
        self._read_pages(document, budget)
        properties = [f"{k}: {v}" for k, v in self._pdf.get_metadata_dict(skip_empty=True).items()]
        document.text("properties", "\n".join(properties))
        for match in _XMP.finditer(self._raw):
            packet = read_html(match.group().decode("utf-8", "replace"))
            document.text("xmp", "\n".join(text for _, text in packet.parts()))
        document.text("outline", "\n".join(self._outline()))

    def attached(self) -> Iterator[tuple[str, bytes]]:
        """Embedded files: name and content."""
        for number in range(self._pdf.count_attachments()):
            one = self._pdf.get_attachment(number)
            try:
                yield one.get_name() or f"attachment{number}", bytes(one.get_data())
            except self._error:
                yield f"attachment{number}", b""

    def _read_pages(self, document: Document, budget: Budget) -> None:
        broken = 0
        count = len(self._pdf)
        if not count:
            document.problem("text", "expected pages, found none: it is damaged")
        for number in range(count):
            budget.take_entry()
            try:
                self._read_page(document, number)
                broken = 0
            except (self._error, ValueError, OSError) as error:
                broken += 1
                found = f"expected a page, found damage ({type(error).__name__})"
                if broken > _MAX_BROKEN_PAGES:
                    rest = f"{found}; {count - number} pages were not tried"
                    document.problem(f"page={number + 1}", rest)
                    return
                document.problem(f"page={number + 1}", found)

    def _read_page(self, document: Document, number: int) -> None:
        page = self._pdf[number]
        name = f"page={number + 1}"
        try:
            text_page = page.get_textpage()
            try:
                text = text_page.get_text_range().replace("\r\n", "\n").replace("\ufffe", "")
            finally:
                text_page.close()
            document.text(name, text)
            notes = "\n".join(dict.fromkeys(self._annotations(page)))
            document.text(f"{name}#annotations", notes)
            if not text.strip() and self._has_images(page):
                document.problem(name, "expected text, found images only", "opaque")
        finally:
            page.close()

    def _has_images(self, page: Any) -> bool:
        return any(True for _ in page.get_objects(filter=[_IMAGE], max_depth=3))

    def _annotations(self, page: Any) -> Iterator[str]:
        """Notes, names and values of form fields, links."""
        native = self._native
        for number in range(min(native.FPDFPage_GetAnnotCount(page), _MAX_ANNOTATIONS)):
            annotation = native.FPDFPage_GetAnnot(page, number)
            if not annotation:
                continue
            try:
                for key in _ANNOTATION_KEYS:
                    value = _text_of(native.FPDFAnnot_GetStringValue, annotation, key)
                    if value.strip():
                        yield value
                if self._forms is not None:
                    for read in (
                        native.FPDFAnnot_GetFormFieldName,
                        native.FPDFAnnot_GetFormFieldValue,
                    ):
                        value = _text_of(read, self._forms, annotation)
                        if value.strip():
                            yield value
                yield from self._link(annotation)
            finally:
                native.FPDFPage_CloseAnnot(annotation)

    def _link(self, annotation: Any) -> Iterator[str]:
        native = self._native
        link = native.FPDFAnnot_GetLink(annotation)
        action = native.FPDFLink_GetAction(link) if link else None
        if action:
            size = native.FPDFAction_GetURIPath(self._pdf, action, None, 0)
            if 1 < size < _MAX_VALUE_BYTES:
                buffer = ctypes.create_string_buffer(size)
                native.FPDFAction_GetURIPath(self._pdf, action, buffer, size)
                yield buffer.value.decode("utf-8", "replace")

    def _outline(self) -> Iterator[str]:
        with contextlib.suppress(self._error):
            for number, mark in enumerate(self._pdf.get_toc(max_depth=10)):
                if number >= _MAX_OUTLINE:
                    return
                yield mark.get_title() if hasattr(mark, "get_title") else str(mark.title)

    def _property(self, key: bytes) -> str:
        return _text_of(self._native.FPDF_GetMetaText, self._pdf, key)


def _text_of(read: Any, *given: Any) -> str:
    """A text that pdfium writes into a buffer, as UTF-16 with a zero behind it."""
    size = read(*given, None, 0)
    if not 2 < size < _MAX_VALUE_BYTES:
        return ""
    buffer = ctypes.create_string_buffer(size + 2)
    pointed = ctypes.cast(buffer, read.argtypes[len(given)]) if read.argtypes else buffer
    read(*given, pointed, size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")


def _label_keys(raw: bytes) -> set[bytes]:
    """Names of label properties, also inside packed object streams."""
    found = set(_LABEL_KEY.findall(raw))
    for number, match in enumerate(_STREAM.finditer(raw)):
        if number >= _MAX_STREAMS:
            break
        packed = io.BytesIO(raw)
        packed.seek(match.end())
        inflater = zlib.decompressobj()
        with contextlib.suppress(zlib.error):
            found |= set(
                _LABEL_KEY.findall(inflater.decompress(packed.read(1 << 20), _MAX_STREAM_BYTES))
            )
    return found
