"""Write docs/coverage.md: every built-in type of Microsoft Purview, and what the pack has of it.

Run from the repository:  python benchmarks/coverage.py
Facts come from the pack and from tests/data/purview; tests/test_coverage_page.py fails when the page
is out of date. The page says which kinds of things are ours, not how many terms, so that one more
keyword does not change it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dlpagent.classifiers.pack import BUILTIN, builtin_pack  # noqa: E402
from dlpagent.classifiers.pack_values import conditions_of  # noqa: E402
from dlpagent.classifiers.sit import Element, Keyword, Pack, Regex, Sit, Union  # noqa: E402

PAGE = ROOT / "docs" / "coverage.md"
DATA = ROOT / "tests" / "data" / "purview"

KINDS = {
    "rule-xml": "patterns published",
    "credential": "format published",
    "described-only": "union described",
    "bundled": "bundle",
    "named-entity": "model of Purview's own",
    "name-only": "name only",
}
STATED = {True: "yes", False: "no", None: "–"}

INTRODUCTION = """\
# Coverage of Purview's catalogue

Written by `python benchmarks/coverage.py`; do not edit. The same facts are tested field by field in
`tests/classifiers/test_catalogue.py`: GUID, name, patterns, tiers, proximity, conditions and keyword
terms of the strict profile equal what Microsoft publishes, but for the deviations listed below. No
regex of a built-in type is published: every regex and checksum here is ours, from the published
format. [Parity](sits.md) says what is known of Purview's own definition; nothing is claimed to match
what a Purview tenant would find.
"""


def load(name: str) -> Any:
    """A JSON file of the published facts."""
    return json.loads((DATA / name).read_text("utf-8"))


def page(pack: Pack) -> str:
    """The whole page as Markdown, for the extended profile of the pack."""
    facts = load("catalogue.json")["sits"]
    reasons = {slug: group["reason"] for group in load("absent.json") for slug in group["sits"]}
    return "\n".join(
        [
            INTRODUCTION,
            *_counts(pack, facts),
            *_types(pack, facts),
            *_absent(facts, reasons),
            *_deviations(load("deviations.json"), {item["slug"]: item["name"] for item in facts}),
        ]
    )


# --- counts -------------------------------------------------------------------------------------


def _counts(pack: Pack, facts: list[dict[str, Any]]) -> Iterator[str]:
    shipped = [item for item in facts if item["id"] in pack.sits]
    active = [item for item in shipped if pack.sits[item["id"]].patterns]
    documented = [item for item in facts if item["checksum"]]
    checked = [item for item in documented if item in shipped and validators(pack, item["id"])]
    patterns = sum(len(item.get("patterns", ())) for item in facts)
    left_out = sum(
        len(item["patterns"]) for item in load("deviations.json")["patterns_left_out"].values()
    )
    own = sum(sit.parity == "own" for sit in pack.sits.values())
    yield "| what | of the catalogue | in the pack |"
    yield "|---|---|---|"
    yield f"| types | {len(facts)} | {len(shipped)} listed, {len(active)} of them find something |"
    for kind, words in KINDS.items():
        of_kind = [item for item in facts if item["kind"] == kind]
        here = [item for item in of_kind if item in shipped]
        parities = Counter(pack.sits[item["id"]].parity for item in here)
        shown = ", ".join(f"parity {name}" for name in sorted(parities)) or "none"
        yield (
            f"| – {words} | {len(of_kind)} | {len(here)} ({shown}) |"
            if here
            else (f"| – {words} | {len(of_kind)} | 0 |")
        )
    yield f"| published patterns | {patterns} | {patterns - left_out} |"
    yield f"| types with a documented checksum | {len(documented)} | {len(checked)} check it |"
    yield f"| types of our own, not in the catalogue | – | {own} |"
    yield ""


# --- the table ----------------------------------------------------------------------------------


def _types(pack: Pack, facts: list[dict[str, Any]]) -> Iterator[str]:
    yield "## The types"
    yield ""
    yield (
        "*Tiers* are the confidences of what is not marked as ours; *documented* says whether"
        " Purview documents a checksum (– not stated); *check* names the [validators](validators.md)"
        " used, which also test dates, ranges and the like. *Ours* is what the extended profile adds:"
        " confidences of further tiers, formats (regexes), terms, conditions."
    )
    yield ""
    yield "| type | GUID | Purview | parity | tiers | documented | check | ours | file |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for item in sorted(facts, key=lambda item: item["name"].casefold()):
        yield _row(pack, item)
    yield ""


def _row(pack: Pack, facts: dict[str, Any]) -> str:
    sit = pack.sits.get(facts["id"])
    stated = STATED[facts["checksum"]]
    if sit is None:
        cells = ["–", "–", stated, "", "", "[not shipped](#not-shipped)"]
    else:
        checks = ", ".join(f"`{name}`" for name in validators(pack, sit.id))
        cells = [sit.parity, tiers(sit), stated, checks, ours(pack, sit), _link(sit)]
    return f"| {facts['name']} | `{facts['id']}` | {KINDS[facts['kind']]} | {' | '.join(cells)} |"


def _link(sit: Sit) -> str:
    path = Path(sit.file)
    file = BUILTIN / path.parent.name / path.name
    return f"[{path.parent.name}](../{file.relative_to(ROOT).as_posix()})"


def tiers(sit: Sit) -> str:
    """Confidences of the patterns that are not marked as ours; of all where every one is."""
    found = {item.confidence for item in sit.patterns if item.origin == "purview"}
    found = found or {item.confidence for item in sit.patterns}
    return ", ".join(map(str, sorted(found, reverse=True))) or "–"


def validators(pack: Pack, sit_id: str) -> list[str]:
    """The validators behind the primary elements of a type."""
    names = {
        spec.name
        for pattern in pack.sits[sit_id].patterns
        for element in _behind(pack, pattern.primary)
        if isinstance(element, Regex)
        for spec in element.validators
    }
    return sorted(names)


def _behind(pack: Pack, ref: str) -> Iterator[Element]:
    """An element, or what a union leads to."""
    element = pack.elements[ref]
    if isinstance(element, Union):
        for part in element.of:
            yield from _behind(pack, part)
    else:
        yield element


def ours(pack: Pack, sit: Sit) -> str:
    """Which kinds of things a type has that are marked as ours."""
    marked = [item for item in sit.patterns if item.origin == "ours"]
    confidences = sorted({item.confidence for item in marked}, reverse=True)
    refs = {pattern.primary for pattern in sit.patterns} | {item.ref for item in conditions_of(sit)}
    elements = [element for ref in sorted(refs) for element in _behind(pack, ref)]
    formats = any(
        expression.origin == "ours"
        for element in elements
        if isinstance(element, Regex)
        for expression in element.expressions
    )
    terms = any(
        group.origin == "ours"
        for element in elements
        if isinstance(element, Keyword)
        for group in element.groups
    )
    conditions = any(item.origin == "ours" for item in conditions_of(sit))
    return "; ".join(
        word
        for word, is_there in (
            (f"tiers {', '.join(map(str, confidences))}", bool(marked)),
            ("formats", formats),
            ("terms", terms),
            ("conditions", conditions),
            ("filter", bool(sit.filters)),
        )
        if is_there
    )


# --- what is not there, what differs --------------------------------------------------------------


def _absent(facts: list[dict[str, Any]], reasons: dict[str, str]) -> Iterator[str]:
    yield "## Not shipped"
    yield ""
    if not reasons:
        yield "None: every type of the catalogue is in the pack."
    for reason in dict.fromkeys(reasons.values()):
        names = [item["name"] for item in facts if reasons.get(item["slug"]) == reason]
        yield f"- {len(names)} types: {reason}. {'; '.join(sorted(names))}."
    yield ""


def _deviations(table: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
    """The deviations of the strict profile, from the table the tests use."""
    yield "## Where strict differs from the published pages"
    yield ""
    yield "| where | reason |"
    yield "|---|---|"
    for slug, item in table["patterns_left_out"].items():
        shown = ", ".join(
            f"{confidence} on `{ref}` alone" for confidence, ref, _ in item["patterns"]
        )
        yield f"| {names[slug]}: pattern {shown} left out | {item['why']} |"
    for slug, item in table["recommended_confidence"].items():
        yield f"| {names[slug]}: recommended confidence {item['ours']} | {item['why']} |"
    for slug in table["filters"]["sits"]:
        yield f"| {names[slug]}: filter | {table['filters']['why']} |"
    for ref, reason in table["regexes_for_lists"].items():
        yield f"| `{ref}` is a regex | {reason} |"
    for slug, headings in table["lists_of_no_pattern"]["sits"].items():
        shown = ", ".join(f"`{heading}`" for heading in headings)
        yield f"| {names[slug]}: {shown} not used | {table['lists_of_no_pattern']['why']} |"
    for kind in ("headings", "placeholders"):
        count = len(table[kind]["refs"])
        yield f"| {count} keyword lists: {kind} | {table[kind]['why']} |"
    for slug, reason in table["silent_in_strict"].items():
        yield f"| {names[slug]}: finds nothing in strict | {reason} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(builtin_pack()), "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)
