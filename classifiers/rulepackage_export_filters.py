"""Filters of a pack as Filters groups of a rule package. id, id#2, id#3 are one group of three."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dlpagent.classifiers.rulepackage_export_elements import ElementWriter
from dlpagent.classifiers.rulepackage_parts import DIRECTIONS
from dlpagent.classifiers.sit import Filter, Pack
from dlpagent.classifiers.xml_nodes import Node
from dlpagent.classifiers.xml_writing import node

Warn = Callable[[str, str], None]

_DIRECTION_NAMES = {ours: name for name, ours in DIRECTIONS.items()}


def _group_of(name: str) -> str:
    return name.partition("#")[0]


def filters_attribute(pack: Pack, names: Iterable[str], warn: Warn) -> str:
    """The value of `filters`: the groups that hold these filters."""
    wanted = set(names)
    groups = dict.fromkeys(_group_of(name) for name in names)
    brought = {name for name in pack.filters if _group_of(name) in groups}
    if brought != wanted:
        warn(f"the filters {', '.join(sorted(brought - wanted))} come with their group", "")
    return " ".join(group.replace(" ", "_") for group in groups)


def filter_nodes(
    pack: Pack, wanted: set[str], elements: ElementWriter, warn: Warn
) -> Iterator[Node]:
    """The filters wanted, by group."""
    groups: dict[str, list[Node]] = {}
    for name, item in pack.filters.items():
        if _group_of(name) not in {_group_of(other) for other in wanted}:
            continue
        groups.setdefault(_group_of(name), []).extend(_filter(item, elements, warn))
    for ident, filters in groups.items():
        yield node("Filters", {"id": ident.replace(" ", "_")}, *filters)


def _filter(item: Filter, elements: ElementWriter, warn: Warn) -> Iterator[Node]:
    if item.kind == "all_digits_same":
        yield node("Filter", {"type": "AllDigitsSameFilter"})
        return
    processors = elements.ids(item.processor)
    if len(processors) != 1 and item.logic == "include":
        warn(f"the filter {item.id} demands one of several elements; only the first is written", "")
        processors = processors[:1]
    for processor in processors:
        yield node(
            "Filter",
            {
                "type": "TextMatchFilter",
                "direction": _DIRECTION_NAMES[item.direction],
                "logic": item.logic.capitalize(),
                "textProcessorId": processor,
            },
        )
