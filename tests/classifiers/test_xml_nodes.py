"""XML as nodes: lines, namespaces, encodings, limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.xml_nodes import MAX_DEPTH, Node, decoded, parse_xml, read_xml
from dlpagent.errors import ProblemsError

PATH = Path("package.xml")
TEXT = """<?xml version="1.0"
 encoding="utf-16"?>
<a xmlns="urn:x" k="v">
  one<b/>
  <c> two <!-- three --> &amp; <![CDATA[<four>]]> </c>
  <d><c/></d>
</a>"""


def test_nodes_know_names_texts_and_lines() -> None:
    root = parse_xml(TEXT, PATH)
    assert (root.tag, root.namespace, root.attributes, root.line) == ("a", "urn:x", {"k": "v"}, 3)
    assert [(child.tag, child.line) for child in root.children] == [("b", 4), ("c", 5), ("d", 6)]
    found = root.first("c")
    assert found
    assert found.text == "two  & <four>"
    assert [node.line for node in root.within("c")] == [5, 6]
    assert [node.tag for node in root.all("b", "d")] == ["b", "d"]
    assert root.first("e") is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_encoding_is_told_by_the_bytes(encoding: str) -> None:
    assert decoded("<é/>".encode(encoding), PATH) == "<é/>"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<a>\n<b>\n</a>", 3),
        ("", 1),
        ("\n\nx", 3),
        ("<a>\n&nope;</a>", 2),
        ("<a b='1'\n b='2'/>", 2),
    ],
)
def test_what_is_not_well_formed_is_named_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ProblemsError) as caught:
        parse_xml(text, PATH)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("package.xml", line)


def test_depth_has_a_limit() -> None:
    def nested(depth: int) -> str:
        return "<a>" * depth + "</a>" * depth

    assert parse_xml(nested(MAX_DEPTH), PATH)
    with pytest.raises(ProblemsError, match="nested more than"):
        parse_xml(nested(MAX_DEPTH + 1), PATH)


@pytest.mark.parametrize(
    "head", ["<!DOCTYPE a>", '<!DOCTYPE a SYSTEM "x">', '<!DOCTYPE a [<!ENTITY b "c">]>']
)
def test_a_document_type_is_refused(head: str) -> None:
    with pytest.raises(ProblemsError, match="is refused"):
        parse_xml(head + "<a/>", PATH)


def test_a_file_that_is_too_large_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpagent.classifiers.xml_nodes.MAX_BYTES", 10)
    path = tmp_path / "large.xml"
    path.write_text("<a>" + "x" * 20 + "</a>")
    with pytest.raises(ProblemsError, match="too large"):
        read_xml(path)


@given(st.binary(max_size=60))
def test_any_bytes_are_nodes_or_a_problem(data: bytes) -> None:
    try:
        assert isinstance(parse_xml(decoded(data, PATH), PATH), Node)
    except ProblemsError as error:
        assert error.problems[0].line >= 1  # noqa: PT017
