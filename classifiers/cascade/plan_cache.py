"""Plans kept on disk, named by the pack's meaning and by the code that makes them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlpagent.classifiers.cascade.database import Database
from dlpagent.classifiers.cascade.frozen import from_bytes, to_bytes
from dlpagent.classifiers.cascade.keywords import Written
from dlpagent.classifiers.cascade.plan import Group, Plan, Support, plan_of
from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.sealed import read_sealed, write_sealed
from dlpagent.classifiers.sit import Pack, Sit

_MAGIC = b"dlpagent plan 3\n"
_CLASSES = (Plan, Group, Support, Database, Written)
_CODE = ("automaton", "keywords", "literals", "ordinary", "plan", "printer", "shapes", "syntax")


def known_plan(pack: Pack, sits: Sequence[Sit], cache: Path | None) -> Plan:
    """The plan of a pack, from the cache if it holds one."""
    if cache is None:
        return plan_of(pack, sits)
    place = cache / f"plan-{_name(pack)}.bin"
    body = read_sealed(place, _MAGIC)
    if body is not None:
        try:
            return _with_cache(from_bytes(body, _CLASSES), cache)
        except (ValueError, TypeError, IndexError):
            pass
    plan = plan_of(pack, sits, cache)
    write_sealed(place, _MAGIC, to_bytes(plan, _CLASSES))
    return plan


def is_known(pack: Pack, cache: Path | None) -> bool:
    """Whether the cache holds the plan of a pack, so that a scan can start at once."""
    return cache is not None and (cache / f"plan-{_name(pack)}.bin").is_file()


def databases_of(plan: Plan) -> Iterator[Database]:
    """Every database of a plan."""
    yield from (plan.shapes, plan.literals, plan.singles, plan.terms, plan.keywords)
    for group in plan.groups:
        yield from group.databases
    yield plan.supporting


def _with_cache(plan: Plan, cache: Path) -> Plan:
    for database in databases_of(plan):
        database.cache = cache
    return plan


def _name(pack: Pack) -> str:
    meaning = with_hash(pack).ref.hash
    return hashlib.sha256(f"{meaning} {_code_digest()}".encode()).hexdigest()[:32]


@functools.cache
def _code_digest() -> str:
    """Changes when the code that makes plans does: a plan of older code is not used."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for name in (*(folder / f"{part}.py" for part in _CODE), folder.parent / "regex_syntax.py"):
        try:
            digest.update(name.read_bytes())
        except OSError:  # no source beside the code: the version alone names it
            digest.update(name.name.encode())
    return digest.hexdigest()
