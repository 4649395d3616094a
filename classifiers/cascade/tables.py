"""What a plan says, laid out for looking up many rows at once. Made once for a plan."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.plan import Group, Plan
from dlpagent.classifiers.cascade.ragged import Ragged


@dataclass(slots=True)
class Tables:
    """A plan's lists as arrays.

    single, term, family: pattern of a database → expressions or literal families. groups: shape or
    family → groups; worded: those that contexts may call for. users: expression →
    users; a user is a SIT that needs what user_needs says (rows padded with -1). support: element → place
    in plan.supports; supporting: pattern → expressions. sets: keyword list →
    sets it is in. uses: keyword pattern → places in plan.written.
    """

    plan: Plan
    single: Ragged = field(init=False)
    term: Ragged = field(init=False)
    family: Ragged = field(init=False)
    shape: Ints = field(init=False)
    users: Ragged = field(init=False)
    user_sit: Ints = field(init=False)
    user_needs: Ints = field(init=False)
    free: np.ndarray[tuple[int], np.dtype[np.bool_]] = field(init=False)
    sets: Ragged = field(init=False)
    uses: Ragged = field(init=False)
    pattern_size: Ints = field(init=False)
    pattern_after: Ints = field(init=False)
    use_pattern: Ints = field(init=False)
    use_list: Ints = field(init=False)
    use_size: Ints = field(init=False)
    use_before: Ints = field(init=False)
    use_after: Ints = field(init=False)
    use_sure: Ints = field(init=False)
    groups: dict[int, list[Group]] = field(init=False, default_factory=dict)
    worded: list[Group] = field(init=False)
    support: dict[str, int] = field(init=False)
    supporting: Ragged = field(init=False)
    heads: Ints = field(init=False)
    widths: Ints = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        self.single = Ragged(plan.single_expressions)
        self.term = Ragged(plan.term_expressions)
        self.family = Ragged(plan.literal_families)
        self.shape = np.array(plan.shape_numbers, dtype=np.int64)
        self._users(plan)
        self._keywords(plan)
        for group in plan.groups:
            self.groups.setdefault(group.shape, []).append(group)
        self.worded = [group for group in plan.groups if group.worded]
        order = {wanted: number for number, wanted in enumerate(plan.supporting.patterns)}
        lists: list[list[int]] = [[] for _ in order]
        for one in plan.supports:
            for number, wanted in zip(one.expressions, one.printed, strict=True):
                lists[order[wanted]].append(number)
        self.supporting = Ragged(lists)
        self.support = {one.element: place for place, one in enumerate(plan.supports)}
        self.heads = np.array(plan.heads, dtype=np.int64)
        self.widths = np.array(plan.widths, dtype=np.int64)

    def _users(self, plan: Plan) -> None:
        users = [user for one in plan.possible for user in one]
        counts = [len(one) for one in plan.possible]
        first = np.cumsum(counts) - counts
        self.users = Ragged(
            range(start, start + count) for start, count in zip(first.tolist(), counts, strict=True)
        )
        self.user_sit = np.array([sit for sit, _ in users], dtype=np.int64)
        most = max((len(needs) for _, needs in users), default=0)
        self.user_needs = np.full((len(users), most), -1, dtype=np.int64)
        for place, (_, needs) in enumerate(users):
            self.user_needs[place, : len(needs)] = needs
        self.free = np.array(
            [any(not needs for _, needs in one) for one in plan.possible], dtype=np.bool_
        )

    def _keywords(self, plan: Plan) -> None:
        holding: list[list[int]] = [[] for _ in plan.lists]
        for number, members in enumerate(plan.needs):
            for member in members:
                holding[member].append(number)
        self.sets = Ragged(holding)
        uses: list[list[int]] = [[] for _ in plan.keywords.patterns]
        for place, one in enumerate(plan.written):
            uses[one.pattern].append(place)
        self.uses = Ragged(uses)
        columns = [
            (one.number, one.pattern, one.size, one.before, one.after, one.sure)
            for one in plan.written
        ]
        table = np.array(columns or np.empty((0, 6)), dtype=np.int64).T
        self.use_list, self.use_pattern, self.use_size = table[:3]
        self.use_before, self.use_after, self.use_sure = table[3:]
        self.pattern_size, self.pattern_after = np.zeros((2, len(uses)), dtype=np.int64)
        self.pattern_size[self.use_pattern] = self.use_size
        self.pattern_after[self.use_pattern] = self.use_after
