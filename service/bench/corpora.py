"""Seeded texts to measure on: prose, chat, tables, source code, Han; with SITs planted by number.

What is planted are the pack's own examples, each with the SIT it must be found under.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dlpagent.classifiers.detectors import sits_with_detectors
from dlpagent.classifiers.sit import AnyOf, Pack, Sit

# The commonest words of English, and nouns of business letters: made for this, no corpus.
_COMMON = (
    "the of and to in a is that for it was as with be by on not he his but at are this have from or "
    "had an they which one you were her all she there would their we him been has when who will more "
    "no if out so said what up its about into than them can only other new some could time these two "
    "may then do first any my now such like our over man me even most made after also did many before "
    "must through back years where much your way well down should because each just those people how "
    "too little state good very make world still own see men work long get here between both life "
    "being under never day same another know while last might us great old year off come since "
    "against go came right used take three account number address order payment report bank customer "
    "service table model training value letter garden harbour library morning village bridge council "
    "meeting"
)
_WORDS = _COMMON.split()
_HAN = (
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多"
    "然于心学"
)
_CODE = (
    "def read(self, path: Path) -> bytes:\n    with path.open('rb') as file:\n        return file.read()\n",
    "for index, item in enumerate(sorted(items, key=lambda one: (one.rank, one.name))):\n    total += item\n",
    '    raise ValueError(f"expected {expected!r}, found {found!r}")\n',
    "import os, sys\nfrom collections.abc import Iterator, Mapping\n\nVERSION = (3, 11, 7)\n",
    "const url = new URL('/api/v2/items?page=' + page, base); // see RFC 3986\n",
)
_LONGEST_PLANTED = 120
_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Text:
    """A text to be searched. planted: SIT id and where its example stands, code points, half-open."""

    text: str
    planted: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """A kind of text. make() gives the next one; a fresh Random(seed) gives the same ones again."""

    name: str
    what: str
    make: Callable[[random.Random], Text]

    def texts(self, size_bytes: int, seed: int = 7) -> list[Text]:
        """At least one text, and no more than are needed for the size in UTF-8."""
        chance = random.Random(seed)  # noqa: S311 - test data
        found: list[Text] = []
        total = 0
        while total < size_bytes or not found:
            found.append(self.make(chance))
            total += len(found[-1].text.encode())
        return found


@dataclass(slots=True)
class Planter:
    """Examples of a pack, to be put into texts."""

    pack: Pack
    _values: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        asking = sits_with_detectors(self.pack)
        self._values = [
            (sit.id, item.text)
            for sit in self.pack.sits.values()
            if sit.patterns
            for item in sit.examples
            if sit.id not in asking
            and len(item.text) < _LONGEST_PLANTED
            and not item.context
            and not _is_put_off(sit)
        ]

    def planted(self, chance: random.Random, size: int, hits: float) -> Text:
        """Prose of about `size` bytes with `hits` examples in it on average."""
        count = int(hits) + (chance.random() < hits - int(hits))
        chosen = [chance.choice(self._values) for _ in range(count)]
        room = max(40, (size - sum(len(value) for _, value in chosen)) // (count + 1))
        pieces = [prose(chance, room)]
        places: list[tuple[str, int, int]] = []
        length = len(pieces[0])
        for sit, value in chosen:
            places.append((sit, length + 1, length + 1 + len(value)))
            pieces += [value, prose(chance, room)]
            length += len(value) + len(pieces[-1]) + 2
        return Text("\n".join(pieces), tuple(places))

    def chat(self, chance: random.Random) -> Text:
        """Six turns; in every third conversation somebody pastes an example."""
        turns = [
            f"{who}: {prose(chance, chance.randrange(40, 400))}"
            for who in ("User", "Assistant") * 3
        ]
        if chance.random() >= 1 / 3:
            return Text("\n".join(turns))
        sit, value = chance.choice(self._values)
        start = len(turns[0]) + 1 + len("User: ")
        turns.insert(1, f"User: {value}")
        return Text("\n".join(turns), ((sit, start, start + len(value)),))


def _is_put_off(sit: Sit) -> bool:
    """Whether words near a match can undo it: prose has all kinds of words, so it may be none here."""
    waiting = [condition for pattern in sit.patterns for condition in pattern.conditions]
    while waiting:
        condition = waiting.pop()
        if isinstance(condition, AnyOf):
            if condition.max_matches is not None:
                return True
            waiting += condition.children
    return False


def prose(chance: random.Random, size: int) -> str:
    """Sentences of common words of `size` characters, or one less; one word in 25 is a small number."""
    out: list[str] = []
    length = 0
    while length < size:
        word = chance.choice(_WORDS)
        if chance.random() < 0.04:
            word = chance.choice([str(chance.randrange(100)), str(chance.randrange(1900, 2030)),
                                  f"{chance.randrange(99)}.{chance.randrange(99)}"])  # fmt: skip
        if chance.random() < 0.07:
            word += chance.choice([",", ".", ".", ";"])
        out.append(word)
        length += len(word) + 1
    return " ".join(out)[:size]


def customer(chance: random.Random) -> str:
    """A CSV row of ten fields, six of them sensitive: name, mail, card, SSN, phone, date of birth."""
    first, last = chance.choice(_WORDS), chance.choice(_WORDS)
    fields: Sequence[object] = (
        chance.randrange(10**6), f"{first.title()} {last.title()}", f"{first}.{last}@example.com",
        luhn("4" + "".join(chance.choice("0123456789") for _ in range(14))),
        f"{chance.randrange(100, 665):03}-{chance.randrange(1, 99):02}-{chance.randrange(1, 9999):04}",
        f"+1 {chance.randrange(200, 999)}-{chance.randrange(200, 999)}-{chance.randrange(9999):04}",
        f"{chance.randrange(1, 28):02}/{chance.randrange(1, 12):02}/{chance.randrange(1940, 2005)}",
        chance.choice(("active", "closed", "new")), f"{chance.random():.4f}",
        prose(chance, 24).replace(",", ""),
    )  # fmt: skip
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(fields)
    return out.getvalue()


def luhn(body: str) -> str:
    """A number with its check digit."""
    total = 0
    for place, char in enumerate(reversed(body)):
        digit = int(char) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return body + str(-total % 10)


def corpora(pack: Pack) -> list[Corpus]:
    """Everything that is measured, in the order it is shown."""
    planter = Planter(pack)

    def of_prose(size: int, hits: float) -> Callable[[random.Random], Text]:
        return lambda chance: planter.planted(chance, size, hits)

    def table(chance: random.Random) -> Text:
        return Text(customer(chance))

    def han(chance: random.Random) -> Text:
        words = "".join(chance.choice(_HAN) for _ in range(160))
        return Text(f"{words} {chance.randrange(3000)}。")

    return [
        *(
            Corpus(f"prose-500-{hits:g}", f"prose, 500 B, {hits:g} planted", of_prose(500, hits))
            for hits in (0, 0.01, 0.2, 1, 10)
        ),
        *(
            Corpus(f"prose-{name}-0.2", f"prose, {what}, {hits:g} planted", of_prose(size, hits))
            for name, what, size, hits in (
                ("100", "100 B", 100, 0.2), ("4k", "4 KB", 4_000, 0.2),
                ("1m", "1 MB", 1_000_000, 400),
            )
        ),
        Corpus("chat", "chat, six turns, a third with a planted text", planter.chat),
        Corpus("csv", "customer rows, 10 fields, 6 sensitive", table),
        Corpus("code", "source code", lambda c: Text("".join(c.choice(_CODE) for _ in range(12)))),
        Corpus("han", "Han characters", han),
        *hostile(),
    ]  # fmt: skip


def hostile() -> Iterator[Corpus]:
    """Texts made to be slow: repeats of what sets off a search, and near misses."""
    for name, what, piece in (
        ("digits", "hostile: digits and blanks", "1 "),
        ("near-card", "hostile: cards with a wrong check digit", "4111-1111-1111-1112 "),
        ("near-mail", "hostile: the beginnings of mail addresses", "a.b@c.d-"),
        ("hex", "hostile: pairs of hexadecimal digits", "ab:cd-"),
        ("near-iban", "hostile: accounts with wrong check digits", "GB82 WEST 1234 5698 7654 31 "),
        ("base64", "hostile: one endless token", "QUJD"),
        ("keywords", "hostile: keywords without numbers", "card tax account passport number ssn "),
    ):
        yield Corpus(f"hostile-{name}", what, _repeating(piece))
    for name, what, drawn in (
        ("cards", "hostile: cards with wrong check digits, all different", _near_card),
        ("ibans", "hostile: accounts with wrong check digits, all different", _near_iban),
        ("tokens", "hostile: random tokens", _token),
    ):
        yield Corpus(f"hostile-{name}", what, _of_many(drawn))


def _drawn(chance: random.Random, signs: str, count: int) -> str:
    return "".join(chance.choice(signs) for _ in range(count))


def _near_card(chance: random.Random) -> str:
    number = luhn("4" + _drawn(chance, _DIGITS, 14))
    number = number[:-1] + str((int(number[-1]) + chance.randrange(1, 10)) % 10)
    return "-".join(number[first : first + 4] for first in range(0, 16, 4))


def _near_iban(chance: random.Random) -> str:
    groups = " ".join(_drawn(chance, _DIGITS, 4) for _ in range(3))
    return f"GB{chance.randrange(2, 99):02} WEST {groups} {chance.randrange(100):02}"


def _token(chance: random.Random) -> str:
    return _drawn(chance, _LETTERS + _DIGITS, 40)


def _of_many(drawn: Callable[[random.Random], str]) -> Callable[[random.Random], Text]:
    """Rows of 500 characters in which, and among which, no piece comes twice."""

    def made(chance: random.Random) -> Text:
        pieces: list[str] = []
        while sum(map(len, pieces)) + len(pieces) < 500:
            pieces.append(drawn(chance))
        return Text(" ".join(pieces))

    return made


def _repeating(piece: str) -> Callable[[random.Random], Text]:
    return lambda _: Text(piece * (500 // len(piece)))
