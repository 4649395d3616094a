"""XML written from the small tree of xml_nodes.py: UTF-16 with its byte-order mark, one tag a line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from dlpagent.classifiers.xml_nodes import Node

COMMENT = "!--"
"""The tag of a node that is written as a comment."""

_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
# XML 1.0 has no way to write these, not even as a reference.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def node(
    tag: str, attributes: dict[str, str] | None = None, *children: Node, text: str = ""
) -> Node:
    """An element to be written."""
    return Node(tag, "", dict(attributes or {}), 0, list(children), [text] if text else [])


def comment(text: str) -> Node:
    """A comment to be written."""
    return Node(COMMENT, "", {}, 0, [], [text])


def is_writable(text: str) -> bool:
    """Whether XML can hold a text and give it back: no control characters, no blanks at its ends."""
    return not _UNWRITABLE.search(text) and text == text.strip()


def writable(text: str) -> str:
    """A text without what XML cannot hold."""
    return _plain(text).strip()


def document(root: Node, namespace: str) -> str:
    """A whole document whose prolog says UTF-16."""
    root.attributes = {"xmlns": namespace, **root.attributes}
    return '<?xml version="1.0" encoding="utf-16"?>\n' + fragment(root) + "\n"


def encoded(text: str, encoding: str = "utf-16") -> bytes:
    """A document with the line ends of Windows: UTF-16, little-endian, with a byte-order mark, or
    UTF-8 without.
    """
    text = text.replace("\n", "\r\n")
    if encoding == "utf-16":
        return codecs.BOM_UTF16_LE + text.encode("utf-16-le")
    return text.replace('encoding="utf-16"', f'encoding="{encoding}"', 1).encode(encoding)


def fragment(root: Node) -> str:
    """An element as text, indented."""
    return "\n".join(_lines(root, ""))


def _lines(item: Node, indent: str) -> Iterator[str]:
    if item.tag == COMMENT:
        text = re.sub(r"-(?=-)", "- ", _plain("".join(item.texts))).rstrip("-")
        yield f"{indent}<!-- {text} -->"
        return
    head = item.tag + "".join(_attribute(*pair) for pair in item.attributes.items())
    text = _escaped(item.text)
    if not item.children:
        yield f"{indent}<{head}>{text}</{item.tag}>" if text else f"{indent}<{head} />"
        return
    yield f"{indent}<{head}>{text}"
    for child in item.children:
        yield from _lines(child, indent + "  ")
    yield f"{indent}</{item.tag}>"


def _attribute(name: str, value: str) -> str:
    namespace, _, local = name.rpartition(" ")
    if namespace and namespace != _XML_NAMESPACE:
        return ""  # its prefix was declared elsewhere and means nothing to Purview
    name = f"xml:{local}" if namespace else name
    quoted = _escaped(value).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return f' {name}="{quoted}"'


def _escaped(text: str) -> str:
    text = _plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#13;")


def _plain(text: str) -> str:
    return _UNWRITABLE.sub("", text)
