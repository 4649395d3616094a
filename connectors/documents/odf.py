"""OpenDocument (.odt, .ods, .odp): content, headers, notes, comments, properties."""

from __future__ import annotations

from collections.abc import Mapping

from dlpagent.connectors.documents.labels import LabelProperties
from dlpagent.connectors.documents.report import Document
from dlpagent.connectors.documents.xml_events import Words, parse_xml
from dlpagent.connectors.documents.zips import Zip

_MIME_START = b"application/vnd.oasis.opendocument"
_LINES = frozenset({"p", "h", "line-break", "table-row", "user-defined", "title", "creator"})
_TABS = frozenset({"tab", "table-cell", "covered-table-cell"})
_PARTS = (("content.xml", "text"), ("styles.xml", "headers"), ("meta.xml", "properties"))


def odf_mime(opened: Zip) -> str | None:
    """The type of an OpenDocument file; None when the zip is none."""
    member = opened.named("mimetype")
    if member is None:
        return None
    said = opened.flow(member).read(100).strip()
    return said.decode("ascii", "replace") if said.startswith(_MIME_START) else None


def is_encrypted(opened: Zip) -> bool:
    """True when its manifest says how it is encrypted."""
    found = False
    member = opened.named("META-INF/manifest.xml")
    if member is None:
        return False

    def start(name: str, _: Mapping[str, str]) -> None:
        nonlocal found
        found = found or name == "encryption-data"

    parse_xml(opened.flow(member), start, lambda _: None, lambda _: None)
    return found


def labels_in(opened: Zip) -> list[str]:
    """MSIP_Label_… user-defined properties."""
    found = LabelProperties()
    member = opened.named("meta.xml")
    if member is not None:
        name, words = "", Words()

        def start(element: str, given: Mapping[str, str]) -> None:
            nonlocal name
            if element == "user-defined":
                name = given.get("name", "")
                words.take()

        def end(element: str) -> None:
            if element == "user-defined":
                found.add(name, words.take().strip())

        parse_xml(opened.flow(member), start, end, words.text)
    return found.values()


def read_odf(opened: Zip, document: Document) -> int:
    """Its parts. Gives how many images and embedded objects were passed over."""
    for file, name in _PARTS:
        member = opened.named(file)
        if member is None:
            continue
        words = Words(lines=_LINES, tabs=_TABS, shown=frozenset({"href"}))
        problem = parse_xml(opened.flow(member), words.start, words.end, words.text)
        document.text(name, words.take())
        if problem is not None:
            document.problem(f"{name}#damage", problem)
    return sum(
        one.name.startswith(("Pictures/", "Object", "media/")) and not one.is_folder
        for one in opened.members
    )
