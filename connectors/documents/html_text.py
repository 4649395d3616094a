"""HTML: what a reader sees, and what stands behind it: values, comments, scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser

from dlpagent.connectors.documents.labels import LabelProperties

_LINES = frozenset({
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "legend", "li", "main",
    "nav", "ol", "option", "p", "pre", "section", "table", "title", "tr", "ul", "caption", "thead",
})  # fmt: skip
_TABS = frozenset({"td", "th"})
_KEPT_LINES = frozenset({"pre", "textarea"})
_BLANKS = {ord(sign): " " for sign in "\r\n\t"}
# Attributes that say how it looks, not what it is.
_DULL = frozenset({
    "class", "id", "style", "width", "height", "align", "valign", "border", "cellpadding", "rel",
    "cellspacing", "bgcolor", "color", "face", "size", "colspan", "rowspan", "lang", "dir", "type",
    "target", "media", "charset", "method", "role", "tabindex", "xmlns", "http-equiv",
})  # fmt: skip
_MAX_VALUE_CHARS = 100_000


class HtmlText(HTMLParser):
    """Feed it the whole text once, then close(). parts() gives (name, text) pairs.

    Parts: text, title as its first line; attributes (links, alt and input values, meta contents);
    comments; scripts (data in them, too).
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.labels = LabelProperties()
        self._visible: list[str] = []
        self._attributes: list[str] = []
        self._comments: list[str] = []
        self._scripts: list[str] = []
        self._behind = ""
        self._kept_lines = 0  # elements around whose line ends are shown

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag in _LINES:
            self._visible.append("\n")
        elif tag in _TABS:
            self._visible.append("\t")
        if tag in ("script", "style"):
            self._behind = tag
        self._kept_lines += tag in _KEPT_LINES
        given = {name: value for name, value in attrs if value}
        if tag == "meta":
            self.labels.add(given.get("name") or "", given.get("content") or "")
        for name, value in given.items():
            if name not in _DULL and not value.startswith("data:"):
                self._attributes.append(f"{name}: {value[:_MAX_VALUE_CHARS]}")

    def handle_endtag(self, tag: str) -> None:
        if tag in _LINES:
            self._visible.append("\n")
        if tag == self._behind:
            self._behind = ""
        self._kept_lines = max(0, self._kept_lines - (tag in _KEPT_LINES))

    def handle_data(self, data: str) -> None:
        if self._behind == "script":
            self._scripts.append(data)
        elif not self._behind:
            self._visible.append(data if self._kept_lines else data.translate(_BLANKS))

    def handle_comment(self, data: str) -> None:
        self._comments.append(data)

    def handle_decl(self, decl: str) -> None:
        """A document type says nothing."""

    def unknown_decl(self, data: str) -> None:
        """CDATA sections are shown by some programs."""
        self._comments.append(data)

    def take_rest(self) -> None:
        """What stands behind a script or comment without end; the parser keeps it to itself."""
        if self.rawdata:
            self._scripts.append(self.rawdata)
            self.rawdata = ""

    def parts(self) -> list[tuple[str, str]]:
        """Those that hold something."""
        found = [
            ("text", tidy("".join(self._visible))),
            ("attributes", "\n".join(self._attributes)),
            ("comments", "\n".join(self._comments)),
            ("scripts", "\n".join(self._scripts)),
        ]
        return [(name, text) for name, text in found if text.strip()]


def tidy(text: str) -> str:
    """Blanks as a browser shows them: runs are one, at most one empty line."""
    lines = ["\t".join(" ".join(cell.split()) for cell in line.split("\t")).strip(" ")
             for line in text.split("\n")]  # fmt: skip
    kept = [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]
    return "\n".join(kept).strip("\n")


def read_html(text: str) -> HtmlText:
    """The page, parsed."""
    page = HtmlText()
    page.feed(text)
    page.close()
    page.take_rest()
    return page
