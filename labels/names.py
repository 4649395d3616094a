"""What a policy names, looked up: SITs of the pack, groups of them, labels of the taxonomy.

Each lookup takes the place in the file, so that a name that means nothing is noted with its line,
and gives what can still be used.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dlpagent.errors import Problem
from dlpagent.labels.policy import Ceiling
from dlpagent.labels.taxonomy import Label, Taxonomy, as_guid
from dlpagent.violations import LabelRef, SitRef
from dlpagent.yaml_reader import Reader

# Purview recommends 75 for 111 of its 205 published SITs and 85 for nearly all others; the lower
# one is used where the pack says nothing, so that nothing is overlooked.
DEFAULT_CONFIDENCE = 75


@dataclass(slots=True)
class Names:
    """The names a policy may use. unknown_sits "warning": ids the pack lacks are kept unfound."""

    taxonomy: Taxonomy
    sit_names: Mapping[str, str]
    recommended: Mapping[str, int]
    unknown_sits: str = "error"
    groups: dict[str, tuple[SitRef, ...]] = field(default_factory=dict)
    user_groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _by_guid: dict[str, str] = field(init=False)
    _by_name: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._by_guid = {sit_id.lower(): sit_id for sit_id in self.sit_names}
        self._by_name = {}
        for sit_id, name in self.sit_names.items():
            self._by_name.setdefault(name, []).append(sit_id)

    def confidence_of(self, sit: SitRef) -> int:
        """The least confidence that counts where a condition gives none."""
        return self.recommended.get(sit.id, DEFAULT_CONFIDENCE)

    def sits(self, node: Reader) -> tuple[SitRef, ...]:
        """A list of SITs, or the name of a group."""
        if node.is_list():
            found = [self.sit(entry) for entry in node.items()]
            if not found:
                node.problem("the list is empty", "at least one SIT")
            return tuple(dict.fromkeys(sit for sit in found if sit))
        name = node.text()
        if name and name not in self.groups:
            near = difflib.get_close_matches(name, self.groups, 1)
            node.problem(
                "no such group of SITs",
                "a list of SITs, or one of sit_groups: " + listed(sorted(self.groups)),
                name,
                did_you_mean(near),
            )
        return self.groups.get(name, ())

    def users(self, node: Reader) -> tuple[str, ...]:
        """The patterns of a group of users, named as @group."""
        name = node.text().removeprefix("@")
        if name not in self.user_groups:
            near = difflib.get_close_matches(name, self.user_groups, 1)
            node.problem(
                "no such group of users",
                "one of user_groups: " + listed(sorted(self.user_groups)),
                name,
                did_you_mean(near),
            )
        return self.user_groups.get(name, ())

    def sit(self, node: Reader) -> SitRef | None:
        """The SIT with this id or exact name."""
        text = node.text().strip()
        guid = as_guid(text)
        named = [self._by_guid[guid]] if guid in self._by_guid else self._by_name.get(text, [])
        if len(named) == 1:
            return SitRef(named[0], self.sit_names[named[0]])
        if guid and not named and self.unknown_sits == "warning":
            what = f"{node.where}: the pack has no SIT with this id; it is never found"
            node.problems.append(Problem(node.file, node.line, what, "", guid, severity="warning"))
            return SitRef(guid, guid)
        if named:
            node.problem("several SITs have this name", "an id: " + listed(named), text)
        elif text:  # nothing at all is noted by text()
            self._note_unknown_sit(node, text, is_id=guid is not None)
        return None

    def _note_unknown_sit(self, node: Reader, text: str, *, is_id: bool) -> None:
        names = {name.casefold(): name for name in self._by_name}
        near = [] if is_id else difflib.get_close_matches(text.casefold(), names, 3)
        node.problem(
            "the pack has no such SIT",
            "the id or the exact name of a SIT of the pack",
            text,
            did_you_mean([names[name] for name in near])
            or "Run `dlpagent rules list` for all of them.",
        )

    def label(self, node: Reader) -> Label | None:
        """The label with this GUID, path or unambiguous name."""
        text = node.text()
        found = self.taxonomy.find_all(text) if text else ()
        if len(found) > 1:
            paths = [self.taxonomy.path(label) for label in found]
            node.problem("several labels have this name", "one of " + listed(paths), text)
        elif text and not found:
            example = self.taxonomy.path(self.taxonomy.labels[-1])
            near = self.taxonomy.near(text)
            expected = f"the GUID or path of a label, such as {example}"
            node.problem("the taxonomy has no such label", expected, text, did_you_mean(near))
        return found[0] if len(found) == 1 else None

    def appliable(self, node: Reader) -> LabelRef | None:
        """A label an item may be given: enabled and without sublabels."""
        label = self.label(node)
        if label is None:
            return None
        path = self.taxonomy.path(label)
        if label.sublabels:
            below = [self.taxonomy.path(one) for one in self.taxonomy.family(label)[1:]]
            node.problem("a label with sublabels is never applied", "one of " + listed(below), path)
        elif not label.enabled:
            node.problem("the label is disabled", "a label that is enabled", path)
        return self.taxonomy.ref(label) if label.is_appliable else None

    def family(self, node: Reader) -> tuple[LabelRef, ...]:
        """A label and its sublabels: who names a parent means them, as nothing carries it alone."""
        label = self.label(node)
        return tuple(map(self.taxonomy.ref, self.taxonomy.family(label))) if label else ()

    def ceiling(self, node: Reader) -> Ceiling | None:
        """A label as the highest allowed, its sublabels included."""
        family = self.family(node)
        return Ceiling(family[0], family[-1].priority) if family else None


def listed(words: Sequence[str]) -> str:
    """Words for an error message."""
    return ", ".join(words) or "none"


def did_you_mean(near: Sequence[str]) -> str:
    """The remedy that offers near names; "" when there are none."""
    return f"Did you mean {' or '.join(near)}?" if near else ""
