"""Words that are names, and words that are not: read once per process from the lists beside this file.

Sources: census-*.txt are the name files of the 1990 census of the United States (public domain); the
other lists are our own. Names are compared without regard to case and accents.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "ß": "ss", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)

# Endings of family names that are rare in other words, with what must stand before them.
_FAMILY_ENDINGS = re.compile(
    r"[a-z]{3,}(?:sson|ssen|sdottir|dottir|ovich|evich|ovic|evic|owicz|ewicz|owski|owska|ewski|ewska"
    r"|inski|inska|ynski|czyk|czak|enko|chuk|shvili|adze|idze|opoulos|opoulou|akis|idis|iadis|oglu"
    r"|zadeh|nejad|ainen|oinen|inen|skaya|sky|skiy|skyi|ova|eva|ieva|iev|yev|kov|nov|rov|lov|escu|eanu"
    r"|quist|qvist|strom|gren|stad|gaard|yan|ian|ez|iewicz|ulescu|etti|ucci|elli|ini|berg|stein"
    r"|heimer|mann|huber|maier|meyer|bauer|hofer)"
    r"|(?:mc|o'|fitz)[a-z]{3,}"
)
_SYLLABLE = (
    r"(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?(?:iang|iong|uang|ang|eng|ian|iao|ing|ong|uai|uan|ai|an|ao|ei|en|er"
    r"|ia|ie|in|iu|ou|ua|ue|ui|un|uo|ve|a|e|i|o|u|v)"
)
_PINYIN = re.compile(rf"(?:{_SYLLABLE}){{1,3}}")
_STREET_ENDINGS = re.compile(
    r"[a-z]{2,}(?:strasse|strassen|straat|gasse|gatan|gata|gaten|vagen|veien|vegen|weg|vej|allee|alle|platz"
    r"|plein|laan|dijk|gracht|katu|tie|kuja|polku|utca|ulica|gade|stigen|stien|torget|damm|ufer|ring)"
)


def folded(word: str) -> str:
    """A word as it stands in the lists: lower case, without accents."""
    plain = unicodedata.normalize("NFKD", word.lower().translate(_LETTERS))
    return "".join(char for char in plain if not unicodedata.combining(char))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Sets of folded words; the files of the same names say what they hold.

    words: names that are everyday words, too; common: everyday words that are no names; first: family
    names that stand before the given name; endings: words that only end like family names; english,
    foreign: function words by which texts in English and in other languages are told apart.
    """

    given: frozenset[str]
    family: frozenset[str]
    words: frozenset[str]
    common: frozenset[str]
    things: frozenset[str]
    places: frozenset[str]
    first: frozenset[str]
    endings: frozenset[str]
    particles: frozenset[str]
    titles: frozenset[str]
    suffixes: frozenset[str]
    english: frozenset[str]
    foreign: frozenset[str]

    def is_given(self, word: str) -> bool:
        """Whether a word is a given name and nothing else. A double name is one if its first half is."""
        key = folded(word)
        return (key in self.given or key.partition("-")[0] in self.given) and key not in self.words

    def may_be_given(self, word: str) -> bool:
        """Whether a word is a given name, maybe an everyday word, too."""
        return folded(word) in self.given

    def is_family(self, word: str) -> bool:
        """Whether a word is a family name, by the lists or by its ending, and no everyday word."""
        key = folded(word)
        return key not in self.words and (self._listed(key) or self._ends_like_one(word))

    def may_be_family(self, word: str) -> bool:
        """Whether a word is a family name, maybe an everyday word, too."""
        key = folded(word)
        return self._listed(key) or self._ends_like_one(word)

    def is_thing(self, word: str) -> bool:
        """Whether a word makes its neighbours the name of an organisation, a place or a work."""
        return folded(word) in self.things

    def is_place(self, word: str) -> bool:
        """Whether a word is a country, a state or a large city."""
        return folded(word) in self.places

    def is_common(self, word: str) -> bool:
        """Whether a word is an everyday word that no name begins or ends with."""
        return folded(word) in self.common

    def is_title(self, word: str) -> bool:
        """Whether a word is a title or form of address."""
        return folded(word) in self.titles

    def is_particle(self, word: str) -> bool:
        """Whether a word may stand between the parts of a name in small letters."""
        return folded(word) in self.particles

    def is_suffix(self, word: str) -> bool:
        """Whether a word may stand behind a name: Jr, III, MD."""
        return folded(word) in self.suffixes

    def is_street(self, word: str) -> bool:
        """Whether a word ends like the name of a street."""
        return _STREET_ENDINGS.fullmatch(folded(word)) is not None

    def has_family_ending(self, word: str) -> bool:
        """Whether a word ends like a family name and like little else."""
        key = folded(word)
        return key not in self.words and self._ends_like_one(word)

    def is_chinese(self, first: str, second: str) -> bool:
        """Whether two words are a Chinese family name and syllables that may be a given name."""
        key = folded(second)
        return folded(first) in self.first and len(key) < 12 and _PINYIN.fullmatch(key) is not None

    def _listed(self, key: str) -> bool:
        return key in self.family or any(part in self.family for part in key.split("-")[1:])

    def _ends_like_one(self, word: str) -> bool:
        key = folded(word)
        if key in self.endings or key in self.common:
            return False
        # ć is rare enough to tell a name; without its accent the ending is that of "music"
        return word.lower().endswith("ić") or _FAMILY_ENDINGS.fullmatch(key) is not None


@functools.cache
def lexicon() -> Lexicon:
    """The lists, read once."""
    return Lexicon(
        given=_read("given.txt") | _read("census-given.txt"),
        family=_read("family.txt") | _read("census-family.txt"),
        words=_read("words.txt"),
        common=_read("common.txt"),
        things=_read("things.txt"),
        places=_read("places.txt"),
        first=_read("family.txt", "chinese:"),
        endings=_read("grammar.txt", "endings:"),
        particles=_read("grammar.txt", "particles:"),
        titles=_read("grammar.txt", "titles:"),
        suffixes=_read("grammar.txt", "suffixes:"),
        english=_read("grammar.txt", "english:"),
        foreign=_read("grammar.txt", "foreign:"),
    )


def _read(name: str, line_of: str = "") -> frozenset[str]:
    """The words of a list; only of the lines that begin so, if that is given."""
    words: set[str] = set()
    for line in (_HERE / name).read_text("utf-8").splitlines():
        if not line.startswith("#") and line.startswith(line_of):
            words.update(folded(word) for word in line.rpartition(":")[2].split())
    return frozenset(words)
