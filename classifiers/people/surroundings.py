"""What stands beside a run of words, and what it says about the run: a person, or surely none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dlpagent.classifiers.people.lexicon import Lexicon
from dlpagent.classifiers.people.runs import Word

BEFORE_CHARS = 60
AFTER_CHARS = 40
LINE_CHARS = 80


@dataclass(frozen=True, slots=True)
class Place:
    """A run in its text, with a little of what stands on both sides."""

    text: str
    run: Sequence[Word]
    words: Lexicon

    @property
    def start(self) -> int:
        return self.run[0].start

    @property
    def end(self) -> int:
        return self.run[-1].end

    @property
    def before(self) -> str:
        return self.text[max(0, self.start - BEFORE_CHARS) : self.start]

    @property
    def after(self) -> str:
        return self.text[self.end : self.end + AFTER_CHARS]


@dataclass(frozen=True, slots=True)
class Cue:
    """Something beside a run that speaks for a person: by how much, and at least to what score."""

    name: str
    holds: Callable[[Place], bool]
    gain: float
    least: float = 0.0


# --- what makes a run no person -----------------------------------------------------------------

_NUMBER_AFTER = re.compile(
    r"(?: \w+\.?)?,? #?\d|(?:\s*\n?\s*, [A-Z]{2,3}\b)|, [A-Z]{2} \d|\s*\n\s*, "
)
_NUMBER_BEFORE = re.compile(
    r"(?:\d[A-Za-z]?,?|\b(?:ul|al|str|os|Apt|Suite|Unit|Box|Via|Rue|Calle|Avenida|Rua|C/)\.?)[ ]\Z",
    re.IGNORECASE,
)
_NEXT_WORD = re.compile(r"(?: &| and)? ([^\W\d_]+)")
_GLUED = "@/_#$"


def is_glued(place: Place) -> bool:
    """Whether a run is part of an address, a path or a name of a program."""
    return (place.after[:1] or " ") in _GLUED or (place.before[-1:] or " ") in _GLUED


def is_thing(place: Place) -> bool:
    """Whether a run is, or begins, the name of an organisation, a street, a place or a work."""
    run, words = place.run, place.words
    if all(words.is_place(word.text) for word in run):
        return not words.is_given(run[0].text)
    if len(run) > 1 and words.is_thing(run[-1].text) and not run[-2].is_initial:
        return True
    if any(words.is_street(word.text) for word in run):
        return True
    following = _NEXT_WORD.match(place.text, place.end)
    return (
        following is not None
        and following.group(1)[0].isupper()
        and words.is_thing(following.group(1))
    )


def is_in_address(place: Place) -> bool:
    """Whether digits stand directly beside a run, as they do in addresses."""
    behind = _NUMBER_AFTER.match(place.after) is not None
    ahead = _NUMBER_BEFORE.search(place.before) is not None
    run, words = place.run, place.words
    known = len(run) > 1 and words.is_given(run[0].text) and words.may_be_family(run[-1].text)
    return (behind or ahead) and not (known and not (behind and ahead))


# --- what speaks for a person -------------------------------------------------------------------

_LABEL = re.compile(
    r"\b(?:(?:my|your|his|her|their|the)?\s*(?:full |first |last |given |family |middle |maiden |user )?"
    r"name(?: is|'s| was|:| =|\?)|(?:name|patient|customer|client|employee|contact|attn|attention|cc|from|to"
    r"|author|director|directed by|written by|signed(?: by)?|sender|recipient|beneficiary|cardholder"
    r"|card holder|account holder|passenger|guest|student|teacher|manager|owner|applicant|insured|tenant"
    r"|landlord|spouse|husband|wife|partner|father|mother|son|daughter|brother|sister|nom|prénom|nachname"
    r"|vorname|nombre|apellidos?|nome|cognome|naam|namn|navn|nimi|imię|nazwisko|jméno|név|billing address"
    r"|shipping address|address)\s*:)\s*[\"'(]?\Z",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"\b(?:i am|i'm|im|this is|it is|call me|calls me|called|named|known as|ask for|speak (?:to|with)|talk to"
    r"|spoke (?:to|with)|met|married|dear|hello|hi|hey|regards,?|sincerely,?|thanks,?|cheers,?|best,?"
    r"|wishes,?|yours,?|truly,?|change it to|behalf of|signed by|written by|directed by|produced by"
    r"|performed by|singer|producer|director|author|guitarist|drummer|actor|actress|president|minister"
    r"|coach|ceo|according to|says|said|asked|told|starring|founders?:|assistant to|including"
    r"|my (?:friend|wife|husband|son|daughter|brother|sister|boss|colleague|kid|child|cousin|neighbou?r)"
    r"|je m'appelle|ich heiße|ich bin|mein name ist|me llamo|mi nombre es|mi chiamo|meu nome é|me chamo"
    r"|ik heet|mijn naam is|jag heter|jeg heter|nazywam się|jmenuji se|numele meu este|adım|benim adım)"
    r"[\s,:]*[\"']?\Z",
    re.IGNORECASE,
)
_KIN = re.compile(
    r"'s? (?:wife|husband|daughter|son|father|mother|brother|sister|parents|family|kids?|child|children"
    r"|friend|boss|house|apartment|wedding|birthday|funeral|death|killers?|phone|email|account|name|voice"
    r"|eyes|face|hand|heart|room|doctor|lawyer)\b"
)
_DOES = re.compile(
    r" (?:is a \d+|is (?:very|so|always|such|my|his|her|our|married|pregnant|retired|allergic)|said|says"
    r"|told|asked|asks|replied|wrote|writes|flew|had given|was born|lives|lived|works at|worked|called"
    r"|calls|explained|added|sang|sings|thinks|thought|wants|wanted|married|died|grew up|recommended"
    r"|mentioned|suggested|shouted|whispered|smiled|laughed|nodded|cried|began (?:\w+ing|to)|spent|likes"
    r"|loves|hates|knows|knew|met|went|came|sat|stood|joined us|feels|felt|hopes|believes|turned \d+"
    r"|just has|just got|and (?:I|me|my)|speak|has been|is from)\b"
)
_ASKED = re.compile(
    r",? (?:can|could|would|will|please|do you|are you|did you|have you|I|I'm|we|what|how)\b"
)
_DETAIL = re.compile(r"[ \t]{0,4}\r?\n[\s>]{0,8}(?:[^\n]{0,40}\n[\s>]{0,8}){0,2}[^\n]{0,30}\d")
_COLON = re.compile(r":[ \t]*[^\s\d]")
_AFTER_PREPOSITION = re.compile(
    r"\b(?:in|at|on|near|from|visit|visiting|visited|moved to|travel to|trip to|arrived at|located in"
    r"|the)[ ]\Z",
    re.IGNORECASE,
)


def _is_labelled(place: Place) -> bool:
    return _LABEL.search(place.before) is not None


def _has_kin(place: Place) -> bool:
    return _KIN.match(place.after) is not None


def _does_what_people_do(place: Place) -> bool:
    if _DOES.match(place.after):
        return True
    before = place.before.rstrip(" ")
    opens = not before or before[-1] in '.!?"\n:>'
    return opens and _ASKED.match(place.after) is not None and not place.run[-1].text.endswith("ly")


def _follows_a_phrase(place: Place) -> bool:
    return _PHRASE.search(place.before) is not None


def _heads_a_block(place: Place) -> bool:
    """Whether a run of two or more stands alone in a line, with digits in one of the next lines."""
    if len(place.run) < 2:
        return False
    return (
        not _line_before(place).strip(" >*-\t") and _DETAIL.match(place.text, place.end) is not None
    )


def _speaks(place: Place) -> bool:
    """Whether a run opens a line and a colon follows: a speaker, the sender of a message."""
    head = _line_before(place).rstrip()
    return _COLON.match(place.text, place.end) is not None and (
        not head or head.endswith((":", "]"))
    )


def _line_before(place: Place) -> str:
    """What stands before a run in its line; of a long line only that it is not empty."""
    window = place.text[max(0, place.start - LINE_CHARS) : place.start]
    head = window.rpartition("\n")[2]
    return "…" if len(head) == LINE_CHARS else head


def _is_one_after_preposition(place: Place) -> bool:
    return (
        len(place.run) == 1
        and _AFTER_PREPOSITION.search(place.before) is not None
        and not place.words.is_given(place.run[0].text)
    )


CUES = (
    Cue("label", _is_labelled, 0.3, 0.7),
    Cue("kin", _has_kin, 0.45),
    Cue("does what people do", _does_what_people_do, 0.35),
    Cue("phrase", _follows_a_phrase, 0.3),
    Cue("head of an address", _heads_a_block, 0.35),
    Cue("speaker", _speaks, 0.25),
    Cue("after a preposition", _is_one_after_preposition, -0.2),
)
"""The first that holds counts."""
