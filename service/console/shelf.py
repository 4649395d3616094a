"""Packs that are worked on, and labelled corpora: two folders of a tenant on this machine.

A working pack is a folder `packs/<name>`: `before/` as it was imported, `now/` as it is edited. A
corpus is a labelled file of `corpora/` that an operator put there; the console never writes one, so it
keeps no text.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.pack_yaml import sit_document, slug_of, write_header, write_pack
from dlpagent.classifiers.rulepackage_xml import read_rule_package
from dlpagent.classifiers.sit import Element, Pack, Sit
from dlpagent.errors import ConfigurationError, Problem
from dlpagent.service.corpora import SUFFIXES
from dlpagent.service.sit_view import elements_in

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_BESIDE = ("map.json", "sources.json")
_saving = threading.Lock()
SERVED = ""
"""The name of the pack that the service itself uses."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folders of a tenant, the pack that the service uses, and where databases are kept."""

    folder: Path
    served: Pack
    cache: Path | None = None

    def names(self) -> list[str]:
        """Working packs, by name."""
        place = self.folder / "packs"
        return sorted(
            item.name
            for item in (place.iterdir() if place.is_dir() else ())
            if _NAME.fullmatch(item.name) and (item / "now").is_dir()
        )

    def corpora(self) -> list[str]:
        """Labelled files, by name."""
        place = self.folder / "corpora"
        if not place.is_dir():
            return []
        return sorted(
            item.name
            for item in place.iterdir()
            if item.suffix in SUFFIXES and item.name not in _BESIDE
        )

    def corpus(self, name: str) -> Path:
        """The file of a corpus. Raises ConfigurationError."""
        if name not in self.corpora():
            raise _nothing("corpus", name, self.corpora())
        return self.folder / "corpora" / name

    def home_of(self, name: str) -> Path:
        """The folder of a working pack. Raises ConfigurationError."""
        if name not in self.names():
            raise _nothing("working pack", name, self.names())
        return self.folder / "packs" / name

    def pack(self, name: str, which: str = "now") -> Pack:
        """A working pack as it is, or as it was before; the served one when no name is given."""
        if name == SERVED:
            return self.served
        place = self.home_of(name) / ("before" if which == "before" else "now")
        return _loaded(place, _stamp(place), _Held(self.served))

    def add(self, file_name: str, data: bytes, name: str = "") -> tuple[str, tuple[Problem, ...]]:
        """Import a rule package as a working pack; returns its name and the warnings.

        Raises ProblemsError for what is no rule package, ConfigurationError for a name that is taken
        or cannot be one.
        """
        wanted = name.strip() or slug_of(Path(file_name).stem)[:60].strip("-")
        if not _NAME.fullmatch(wanted):
            raise ConfigurationError(
                "this cannot be the name of a working pack",
                where="name",
                expected="letters a–z, digits and dashes, at most 60",
                found=wanted[:80],
            )
        home = self.folder / "packs" / wanted
        if home.exists():
            raise _taken(wanted)
        with self._draft() as draft:
            file = draft.with_name("package.xml")
            file.write_bytes(data)
            imported = read_rule_package(file, self.served)
            write_pack(imported.pack, draft / "before", inherited=imported.inherited)
            shutil.copytree(draft / "before", draft / "now")
            _put(draft, home)
        return wanted, imported.warnings

    def begin(self, name: str, title: str) -> None:
        """A working pack without a SIT, to copy served ones into. Raises ConfigurationError."""
        if not _NAME.fullmatch(name) or (self.folder / "packs" / name).exists():
            raise ConfigurationError(
                "a working pack of this name cannot be begun",
                where=name[:80],
                expected="a new name of letters a–z, digits and dashes",
            )
        ident = str(uuid.uuid4())
        with self._draft() as draft:
            for which in ("before", "now"):
                folder = draft / which
                folder.mkdir()
                write_header({"id": ident, "version": "1.0.0.0", "name": title}, folder)
            _put(draft, self.folder / "packs" / name)

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """An empty folder where a working pack is made before it is seen; it goes if that fails."""
        place = self.folder / "packs"
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=place) as scratch:
            draft = Path(scratch) / "pack"
            draft.mkdir()
            yield draft

    def save(self, name: str, text: str) -> Sit:
        """Put an edited SIT into a working pack, in the file it came from. Raises ProblemsError."""
        with _saving:  # two that are saved at once are both checked against what is there
            return self._save(name, text)

    def _save(self, name: str, text: str) -> Sit:
        home = self.home_of(name) / "now"
        sit = tried(text, self.pack(name))[1]
        known = self.pack(name).sits.get(sit.id)
        target = _file_of(known, home) if known else home / f"{slug_of(sit.name)}.yaml"
        with tempfile.TemporaryDirectory(prefix="dlpagent-edit-") as scratch:
            # the whole pack must still load with it
            copy = Path(scratch) / "pack"
            shutil.copytree(home, copy)
            (copy / target.relative_to(home)).write_text(text, "utf-8")
            load_pack(copy, base=self.served)
        draft = target.with_name(target.name + ".partial")
        draft.write_text(text, "utf-8")
        draft.replace(target)
        return sit

    def text(self, name: str, sit: Sit) -> str:
        """A SIT as YAML: its own file, where it has one of its own."""
        if name != SERVED:
            file = _file_of(sit, self.home_of(name) / "now")
            if file.is_file():
                return file.read_text("utf-8")
        return yaml_of(sit, elements_in(self.pack(name), sit))


def tried(text: str, base: Pack) -> tuple[Pack, Sit]:
    """A SIT written as YAML, with what it needs of a base. Raises ProblemsError, RuleError."""
    with tempfile.TemporaryDirectory(prefix="dlpagent-try-") as scratch:
        file = Path(scratch) / "edited.yaml"
        file.write_text(text, "utf-8")
        pack = load_pack(file, base=base)
    return pack, next(iter(pack.sits.values()))


def yaml_of(sit: Sit, elements: dict[str, Element]) -> str:
    """A SIT with all it names, in the form of SIT files."""
    return yaml.safe_dump(
        sit_document(sit, elements), sort_keys=False, allow_unicode=True, width=100
    )


@lru_cache(maxsize=8)
def compiled(held: _Held) -> CompiledPack:
    """The pack ready for traces; kept for as long as it is one of the last ones asked for."""
    return CompiledPack(held.pack)


class _Held:
    """A pack as a key: equal when its hash is."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    def __hash__(self) -> int:
        return hash(self.pack.ref)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.pack.ref == self.pack.ref


def held(pack: Pack) -> _Held:
    """What compiled() is asked with."""
    return _Held(pack)


@lru_cache(maxsize=8)
def _loaded(place: Path, _stamp: tuple[tuple[str, int, int], ...], base: _Held) -> Pack:
    return load_pack(place, base=base.pack)


def _stamp(place: Path) -> tuple[tuple[str, int, int], ...]:
    """What changes when a file of a pack does."""
    return tuple(_stamps(place))


def _stamps(place: Path) -> Iterator[tuple[str, int, int]]:
    for file in sorted(place.rglob("*.yaml")):
        state = file.stat()
        yield str(file.relative_to(place)), state.st_mtime_ns, state.st_size


def _file_of(sit: Sit, home: Path) -> Path:
    name = Path(sit.file)
    return name if name.is_absolute() and name.is_relative_to(home) else home / name.name


def _put(draft: Path, home: Path) -> None:
    """A finished draft to where it is seen. Raises ConfigurationError when another was quicker."""
    try:
        draft.rename(home)
    except OSError:
        raise _taken(home.name) from None


def _taken(name: str) -> ConfigurationError:
    return ConfigurationError(
        "there is a working pack of this name", where=name, remedy="Give it another name."
    )


def _nothing(what: str, name: str, known: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"there is no such {what}",
        where=name[:80],
        expected=", ".join(known[:20]) or "none is there",
    )
