"""Purview's EDM schema: what is read, what is refused, all of it at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.classifiers.edm_schema import Field, Schema, read_schema
from dlpagent.errors import ProblemsError
from tests.classifiers.edm_stores import MEMBERS

DATA = Path(__file__).parent.parent / "data" / "rulepackages"
HEAD = '<EdmSchema xmlns="http://schemas.microsoft.com/office/2018/edm">'


def schema_of(path: Path, *fields: str) -> Schema:
    body = "".join(f"<Field {field}/>" for field in fields)
    path.write_text(f'{HEAD}<DataStore name="S" version="2">{body}</DataStore></EdmSchema>')
    return read_schema(path)[0]


def test_the_schema_of_the_documentation_is_read_as_it_says() -> None:
    schema, warnings = read_schema(DATA / "msdocs-edm-schema-patientrecords.xml")
    assert warnings == ()
    assert (schema.name, schema.description) == ("PatientRecords", "Schema for patient records")
    assert schema.searchable == ("PatientID", "MRN", "SSN", "Phone", "DOB")
    assert schema.fields[0] == Field("PatientID", True, True, "-/*#^")
    assert schema.fields[2] == Field("FirstName")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("-", "-"),
        ("-, ", "- "),
        ("-,/,*", "-/*"),
        (",", ","),
        ("-,,", "-,"),
        ("-,-", "-"),
    ],
)
def test_ignored_delimiters_are_characters_between_commas(
    text: str, found: str, tmp_path: Path
) -> None:
    schema = schema_of(tmp_path / "s.xml", f'name="A" searchable="true" ignoredDelimiters="{text}"')
    assert schema.fields[0].ignored_delimiters == found


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (['name="A"'], "no Field is searchable"),
        (['name="A" searchable="yes"'], "searchable is wrong"),
        (['name="A" searchable="true"', 'name="a"'], "a Field needs a name of its own"),
        (['searchable="true"'], "a Field needs a name of its own"),
        (['name="A" searchable="true" ignoredDelimiters="a"'], "ignoredDelimiters is wrong"),
        (['name="A" searchable="true" ignoredDelimiters="-/"'], "ignoredDelimiters is wrong"),
    ],
)
def test_what_cannot_be_a_schema_is_told(fields: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match=said):
        schema_of(tmp_path / "s.xml", *fields)


@pytest.mark.parametrize(
    "text",
    [
        "<Other/>",
        f"{HEAD}</EdmSchema>",
        f'{HEAD}<DataStore name="A"/><DataStore name="B"/></EdmSchema>',
        f'{HEAD}<DataStore><Field name="A" searchable="true"/></DataStore></EdmSchema>',
    ],
    ids=["root", "none", "two", "nameless"],
)
def test_other_documents_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.xml").write_text(text)
    with pytest.raises(ProblemsError, match=r"s\.xml:1: "):
        read_schema(tmp_path / "s.xml")


def test_what_a_tenant_would_not_take_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "s.xml"
    schema_of(path, *(f'name="F{number}" searchable="true"' for number in range(33)))
    said = [problem.what for problem in read_schema(path)[1]]
    assert said == ["33 Fields; a tenant takes 32", "33 searchable Fields; a tenant takes 5"]
    schema_of(path, 'name="A" searchable="true" colour="red"')
    assert "colour" in read_schema(path)[1][0].what


def test_a_schema_survives_its_manifest() -> None:
    assert Schema.of_json(MEMBERS.to_json()) == MEMBERS
