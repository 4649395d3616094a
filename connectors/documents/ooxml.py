"""Office Open XML: every part of a .docx, .xlsx or .pptx that holds words, however well hidden."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from dlpagent.connectors.documents.labels import LabelProperties
from dlpagent.connectors.documents.report import Document
from dlpagent.connectors.documents.sheets import Workbook, read_sheet
from dlpagent.connectors.documents.xml_events import Words, parse_xml
from dlpagent.connectors.documents.zips import Zip, ZipMember

_MIMES = {
    "word": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
# Parts without a word of the author's: how it looks, what belongs to what.
_DULL = re.compile(
    r"(?:.*/)?(?:_rels/.*|\[Content_Types\]\.xml|theme/.*|styles\.xml|stylesWithEffects\.xml"
    r"|fontTable\.xml|webSettings\.xml|numbering\.xml|settings\.xml|calcChain\.xml|presProps\.xml"
    r"|viewProps\.xml|tableStyles\.xml|slideLayouts/.*|printerSettings/.*|colors\d*\.xml"
    r"|style\d+\.xml|thumbnail\.\w+|itemProps\d*\.xml|fonts/.*|volatileDependencies\.xml|.*/)"
)
_IMAGES = re.compile(
    r".*\.(?:png|jpe?g|gif|emf|wmf|bmp|tiff?|svg|ico|wdp|webp|heic)", re.IGNORECASE
)
_LINKS = re.compile(r"(?:.*/)?_rels/[^/]*\.rels")
_RICH = re.compile(
    r"(?:word|ppt)/|xl/(?:comments|threadedComments|drawings|charts|diagrams)|.*/(?:charts|diagrams)/"
)
_WORDS_ONLY = frozenset({"t", "delText", "instrText", "delInstrText", "text", "v"})
_PLACES = (
    (re.compile(r"word/document\d*\.xml"), "text"),
    (re.compile(r"ppt/slides/slide(\d+)\.xml"), "slide={}"),
    (re.compile(r"ppt/notesSlides/notesSlide(\d+)\.xml"), "notes={}"),
    (re.compile(r"docProps/(\w+)\.xml"), "properties={}"),
)


class Left(NamedTuple):
    """What is no XML of the document: embedded files, and how many images there are."""

    embedded: list[ZipMember]
    images: int


def read_office(opened: Zip, document: Document) -> Left:
    """Text, headers, notes, comments, deleted text, hidden sheets, properties, links, alt texts.

    Tells what it could not read. Embedded files are left to the caller.
    """
    workbook = Workbook.of(opened)
    left, images = [], 0
    for member in sorted(opened.members, key=lambda one: _order(one.name)):
        name = member.name
        if member.is_folder or name.startswith("docMetadata/"):
            continue
        if _IMAGES.fullmatch(name):
            images += 1
        elif _LINKS.fullmatch(name):
            _read_links(opened, member, document)
        elif _DULL.fullmatch(name):
            continue
        elif name.startswith("xl/worksheets/sheet") and name.endswith(".xml"):
            read_sheet(opened, member, workbook, document)
        elif name.endswith((".xml", ".vml")):
            _read_part(opened, member, document)
        else:
            left.append(member)
    return Left(left, images)


def mime_of(opened: Zip) -> str | None:
    """The type of an Office document; None when the zip is none."""
    names = {member.name for member in opened.members}
    if "[Content_Types].xml" not in names and "_rels/.rels" not in names:
        return None
    folders = {name.split("/", 1)[0] for name in names}
    return next((mime for folder, mime in _MIMES.items() if folder in folders), None)


def labels_in(opened: Zip) -> list[str]:
    """Sensitivity labels in docProps/custom.xml and docMetadata/LabelInfo.xml."""
    found = LabelProperties()
    custom = opened.named("docProps/custom.xml")
    if custom is not None:
        name, words = "", Words()

        def start(element: str, attributes: Mapping[str, str]) -> None:
            nonlocal name
            if element == "property":
                name = attributes.get("name", "")
                words.take()

        def end(element: str) -> None:
            if element == "property":
                found.add(name, words.take().strip())

        parse_xml(opened.flow(custom), start, end, words.text)
    info = next((one for one in opened.members if one.name.endswith("LabelInfo.xml")), None)
    if info is not None:
        parse_xml(
            opened.flow(info),
            lambda element, given: found.add_info(given) if element == "label" else None,
            lambda _: None,
            lambda _: None,
        )
    return found.values()


def _order(name: str) -> tuple[int, int, str]:
    """The main text first, slides by number, properties last."""
    number = re.search(r"(\d+)\.\w+$", name)
    rank = 0 if name.startswith("word/document") else 2 if name.startswith("docProps") else 1
    return rank, int(number[1][:9]) if number else 0, name


def _part_name(name: str) -> str:
    for pattern, shown in _PLACES:
        match = pattern.fullmatch(name)
        if match:
            return shown.format(*match.groups())
    return name.rsplit("/", 1)[-1].removesuffix(".xml")


def _read_part(opened: Zip, member: ZipMember, document: Document) -> None:
    """A part of running text, or any other XML with all its text and values."""
    is_rich = _RICH.match(member.name) is not None
    words = Words(
        only=_WORDS_ONLY if is_rich else None,
        lines=frozenset({"p", "br", "cr", "tr", "pt"}) if is_rich else _EVERYTHING,
        tabs=frozenset({"tab", "tc"}),
        skipped=frozenset({"pPr", "rPr", "sectPr", "tblPr", "Fallback"})
        if is_rich
        else frozenset(),
        shown=frozenset({"descr", "title", "author", "alt"}) if is_rich else _VALUES,
    )
    problem = parse_xml(opened.flow(member), words.start, words.end, words.text)
    name = _part_name(member.name)
    document.text(name, words.take())
    if problem is not None:
        document.problem(
            f"{name}#damage", problem, "protected" if member.is_protected else "unread"
        )


def _read_links(opened: Zip, member: ZipMember, document: Document) -> None:
    """Addresses outside the document: mail addresses, queries, paths of templates."""
    found: list[str] = []

    def start(_: str, attributes: Mapping[str, str]) -> None:
        if attributes.get("TargetMode") == "External":
            found.append(attributes.get("Target", ""))

    problem = parse_xml(opened.flow(member), start, lambda _: None, lambda _: None)
    name = f"links={member.name.rsplit('/', 1)[-1].removesuffix('.rels').removesuffix('.xml')}"
    document.text(name, "\n".join(found))
    if problem is not None:
        document.problem(f"{name}#damage", problem)


class _All(frozenset[str]):
    """Every name there is."""

    def __contains__(self, _: object) -> bool:
        return True


_EVERYTHING = _All()
_VALUES = frozenset(
    {"v", "val", "name", "value", "connection", "command", "dT", "displayName", "id"}
)
