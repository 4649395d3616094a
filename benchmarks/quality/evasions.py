"""Texts that hide values: seeded, of many types, languages and ways of writing, each with its place.

Values are made at random with true check digits; tokens follow the published shapes and were never
issued. Used by evasion.py beside this file and by the tests.
"""

from __future__ import annotations

import base64
import json
import quopri
import random
import re
import string
import unicodedata
import urllib.parse
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from stdnum import luhn
from stdnum.iso7064 import mod_11_10, mod_97_10

Made = Callable[[random.Random], str]
Disguise = Callable[[random.Random, str], str]


@dataclass(frozen=True)
class Kind:
    """A type of value. shape: grouped and plain numbers, words (addresses, tokens) or secrets."""

    sits: tuple[str, ...]
    make: Made
    carriers: tuple[str, ...]
    shape: str


@dataclass(frozen=True)
class Form:
    """A way to hide a value: for which shapes; whole: it is the whole sentence that is rewritten."""

    write: Disguise
    shapes: str
    whole: bool = False


@dataclass(frozen=True)
class Case:
    """A hidden value: the text, the names of SITs of which one must be found, and where."""

    kind: str
    form: str
    text: str
    sits: tuple[str, ...]
    start: int
    end: int


# --- values ------------------------------------------------------------------------------------


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def _grouped(number: str, *lengths: int, gap: str = " ") -> str:
    parts, done = [], 0
    for length in lengths:
        parts.append(number[done : done + length])
        done += length
    return gap.join([*parts, *([number[done:]] if number[done:] else [])])


def card(rng: random.Random) -> str:
    body = rng.choice(["4539", "4716", "5412", "5301", "6011"]) + _digits(rng, 11)
    return _grouped(body + luhn.calc_check_digit(body), 4, 4, 4, 4)


def iban(rng: random.Random) -> str:
    country, body = rng.choice(
        [
            ("DE", "37040044" + _digits(rng, 10)),
            ("GB", "WEST123456" + _digits(rng, 8)),
            ("NL", "ABNA" + _digits(rng, 10)),
            ("AT", _digits(rng, 16)),
        ]
    )
    check = mod_97_10.calc_check_digits(body + country)
    return _grouped(f"{country}{check}{body}", 4, 4, 4, 4, 4)


def ssn(rng: random.Random) -> str:
    return f"{rng.randint(220, 599):03}-{rng.randint(11, 88):02}-{rng.randint(1234, 9876):04}"


def email(rng: random.Random) -> str:
    first, last = (
        rng.choice(["maria", "jan", "sofie", "peter"]),
        rng.choice(["lopez", "berg", "rossi"]),
    )
    return (
        f"{first}.{last}{rng.randint(1, 99)}@{rng.choice(['posteo.de', 'example.com', 'gmx.net'])}"
    )


def phone(rng: random.Random) -> str:
    return rng.choice(
        [
            f"+44 20 7946 0{_digits(rng, 3)}",
            f"+49 30 90182{_digits(rng, 3)}",
            f"+1 202-555-01{_digits(rng, 2)}",
        ]
    )


def nhs(rng: random.Random) -> str:
    while True:
        body = "4" + _digits(rng, 8)
        check = (
            11
            - sum(int(digit) * weight for digit, weight in zip(body, range(10, 1, -1), strict=True))
            % 11
        )
        if check != 10:
            return _grouped(f"{body}{check % 11}", 3, 3, 4)


def passport(rng: random.Random) -> str:
    return str(rng.randint(400_000_000, 599_999_999))


def bsn(rng: random.Random) -> str:
    while True:
        number = str(rng.randint(110_000_000, 899_999_999))
        weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
        if not sum(int(digit) * weight for digit, weight in zip(number, weights, strict=True)) % 11:
            return number


def steuer_id(rng: random.Random) -> str:
    nine = rng.sample(string.digits.replace("0", ""), 9)
    body = "".join([*nine, nine[rng.randrange(2, 8)]])
    return _grouped(body + mod_11_10.calc_check_digit(body), 2, 3, 3, 3)


def cpf(rng: random.Random) -> str:
    number = _digits(rng, 9)
    for length in (10, 11):
        total = sum(
            int(digit) * weight for digit, weight in zip(number, range(length, 1, -1), strict=False)
        )
        number += str((11 - total % 11) % 11 % 10)
    return f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"


def dni(rng: random.Random) -> str:
    number = rng.randint(10_000_000, 99_999_999)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def aws_key(rng: random.Random) -> str:
    return "AKIA" + "".join(rng.choice(string.ascii_uppercase + "234567") for _ in range(16))


def github_token(rng: random.Random) -> str:
    signs = string.digits + string.ascii_uppercase + string.ascii_lowercase
    body = "".join(rng.choice(signs) for _ in range(30))
    check, tail = zlib.crc32(body.encode()), ""
    for _ in range(6):
        check, place = divmod(check, 62)
        tail = signs[place] + tail
    return f"ghp_{body}{tail}"


def password(rng: random.Random) -> str:
    word = rng.choice(["Zugspitze", "Merlin", "Kangaroo", "Tulipan"])
    return f"{word}{_digits(rng, 3)}{rng.choice('!?#')}{rng.choice('xQkW')}"


KINDS: Mapping[str, Kind] = {
    "credit card": Kind(
        ("Credit Card Number",), card,
        ("Please charge my credit card {} today.", "Kreditkarte: {} (gültig bis 11/29)",
         "numéro de carte bancaire {} merci"), "grouped"),
    "IBAN": Kind(
        ("International Banking Account Number (IBAN)",), iban,
        ("Transfer the rent to IBAN {} by Friday.", "Bitte auf das Konto IBAN {} überweisen.",
         "Mijn IBAN is {} bedankt"), "grouped"),
    "US SSN": Kind(
        ("U.S. Social Security Number (SSN)",), ssn,
        ("My social security number is {} as you asked.", "SSN: {} on file"), "grouped"),
    "e-mail": Kind(
        ("E-mail Address",), email,
        ("Write to {} about it.", "Meine E-Mail ist {} wie immer.", "correo {} para dudas"), "word"),
    "phone": Kind(
        ("Phone Number",), phone,
        ("Call me on my mobile phone {} tonight.", "Telefonnummer {} bitte zurückrufen"), "phone"),
    "UK NHS": Kind(
        ("U.K. National Health Service Number",), nhs,
        ("The patient's NHS number is {} in the letter.", "NHS no {} (GP referral)"), "grouped"),
    "US passport": Kind(
        ("U.S. / U.K. Passport Number",), passport,
        ("My passport number is {} and I fly on Monday.", "US passport no {} issued in Boston"), "plain"),
    "Dutch BSN": Kind(
        ("Netherlands Citizen's Service (BSN) Number",), bsn,
        ("Mijn burgerservicenummer is {} volgens de brief.", "BSN {} van de werknemer"), "plain"),
    "German tax id": Kind(
        ("Germany Tax Identification Number",), steuer_id,
        ("Meine Steueridentifikationsnummer lautet {} laut Bescheid.",
         "Steuer-ID {} des Mitarbeiters"), "grouped"),
    "Brazil CPF": Kind(
        ("Brazil CPF Number",), cpf,
        ("O CPF do cliente é {} conforme cadastro.", "CPF {} cadastrado"), "grouped"),
    "Spain DNI": Kind(
        ("Spain DNI",), dni,
        ("Mi DNI es {} y vivo en Madrid.", "documento nacional de identidad {} adjunto"), "word"),
    "AWS key": Kind(
        ("AWS Access Key",), aws_key,
        ("aws_access_key_id = {} in the config", "The access key {} still works."), "word"),
    "GitHub token": Kind(
        ("GitHub Personal Access Token",), github_token,
        ("use the token {} to clone", "Mein GitHub-Token {} bitte nicht teilen"), "word"),
    "password": Kind(
        ("General Password", "User Login Credentials"), password,
        ("password={} for the admin account", "Passwort: {} (bitte ändern)"), "secret"),
}  # fmt: skip


# --- ways of writing ---------------------------------------------------------------------------


def _mapped(zero: int) -> Disguise:
    def write(_: random.Random, value: str) -> str:
        return "".join(chr(zero + int(char)) if char in string.digits else char for char in value)

    return write


def _full_width(_: random.Random, value: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in value)


def _mathematical(_: random.Random, value: str) -> str:
    def one(char: str) -> str:
        for first, zero in (("0", 0x1D7CE), ("A", 0x1D400), ("a", 0x1D41A)):
            if (
                char.isascii()
                and char.isalnum()
                and 0 <= ord(char) - ord(first) < (10 if first == "0" else 26)
            ):
                return chr(zero + ord(char) - ord(first))
        return char

    return "".join(map(one, value))


def _between(*signs: str) -> Disguise:
    def write(rng: random.Random, value: str) -> str:
        return "".join(
            char + (rng.choice(signs) if place + 1 < len(value) and rng.random() < 0.5 else "")
            for place, char in enumerate(value)
        )

    return write


def _gaps(gap: str) -> Disguise:
    """Every gap of a grouped number written otherwise."""

    def write(_: random.Random, value: str) -> str:
        return re.sub(r"[ .-]", gap, value)

    return write


def _blanks(gap: str) -> Disguise:
    return lambda _, value: value.replace(" ", gap)


def _dashes(gap: str) -> Disguise:
    return lambda _, value: re.sub("[ -]", gap, value)


def _line_break(rng: random.Random, value: str) -> str:
    """One gap becomes the end of a line."""
    gaps = [match.start() for match in re.finditer(r"[ -]", value)]
    if not gaps:
        return value
    place = rng.choice(gaps)
    return f"{value[:place]}\n{value[place + 1 :]}"


def _broken(rng: random.Random, value: str) -> str:
    """Digits without gaps, broken over two lines."""
    plain = re.sub("[^0-9A-Za-z]", "", value)
    place = rng.randint(3, len(plain) - 3)
    return f"{plain[:place]}{rng.choice(['', '-'])}\n{plain[place:]}"


def _entity(form: str, share: float = 1.0) -> Disguise:
    def write(rng: random.Random, value: str) -> str:
        return "".join(
            form.format(ord(char)) if rng.random() < share or char in "@-" else char
            for char in value
        )

    return write


def _percent(_: random.Random, value: str) -> str:
    return "".join(f"%{octet:02X}" for octet in value.encode())


def _json_escaped(rng: random.Random, value: str) -> str:
    return "".join(f"\\u{ord(char):04{rng.choice('xX')}}" for char in value)


def _base64(_: random.Random, value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _base64_url(_: random.Random, value: str) -> str:
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def _emphasis(rng: random.Random, value: str) -> str:
    """Bold that begins and ends inside the value."""
    first = rng.randint(1, len(value) // 2)
    last = rng.randint(first + 1, len(value) - 1)
    if not (value[first - 1 : first + 1].isalnum() and value[last - 1 : last + 1].isalnum()):
        return f"**{value}**"
    return f"{value[:first]}**{value[first:last]}**{value[last:]}"


def _markdown(_: random.Random, value: str) -> str:
    return re.sub(r"([-_.!#*+])", r"\\\1", value)


_TWINS = dict(zip("ABEKMHOPCTXaeopcxyij", "АВЕКМНОРСТХаеорсхуіј", strict=True))


def _homoglyphs(_: random.Random, value: str) -> str:
    return "".join(_TWINS.get(char, char) for char in value)


def _tags(rng: random.Random, value: str) -> str:
    place = rng.randint(1, len(value) - 1)
    return f"{value[:place]}<b>{value[place:]}</b>"


def _quoted(_: random.Random, value: str) -> str:
    return quopri.encodestring(value.encode(), quotetabs=True).decode()


def _after(*steps: Disguise) -> Disguise:
    def write(rng: random.Random, value: str) -> str:
        for step in steps:
            value = step(rng, value)
        return value

    return write


def _json_in_json(_: random.Random, value: str) -> str:
    return json.dumps(json.dumps({"note": f"\n{value}\n"}))


ALL = "grouped plain phone word secret"
NUMBERS = "grouped plain phone"

FORMS: Mapping[str, Form] = {
    "plain": Form(lambda _, value: value, ALL),
    # one code point for another
    "full-width": Form(_full_width, "grouped plain phone word"),
    "Arabic-Indic digits": Form(_mapped(0x660), NUMBERS),
    "Devanagari digits": Form(_mapped(0x966), NUMBERS),
    "mathematical letters and digits": Form(_mathematical, "grouped plain phone word"),
    "zero-width characters": Form(_between("\u200b", "\u200d", "\ufeff", "\u2060"), ALL),
    "soft hyphens": Form(_between("\u00ad"), ALL),
    "no-break spaces": Form(_blanks("\u00a0"), "grouped phone"),
    "narrow spaces": Form(_blanks("\u202f"), "grouped phone"),
    "no-break hyphens": Form(_dashes("\u2011"), "grouped"),
    "en dashes": Form(_dashes("\u2013"), "grouped"),
    # separators
    "dots": Form(_gaps("."), "grouped"),
    "double spaces": Form(_gaps("  "), "grouped"),
    "double no-break spaces": Form(_gaps("\u00a0\u00a0"), "grouped"),
    "underscores between": Form(_gaps("_"), "grouped"),
    "underscores around": Form(lambda _, value: f"_{value}_", "grouped plain word"),
    "line break at a gap": Form(_line_break, "grouped"),
    "line break inside": Form(_broken, "grouped plain"),
    "single digits": Form(lambda _, value: " ".join(re.sub("[^0-9]", "", value)), "plain"),
    # typography
    "bold inside": Form(_emphasis, "plain word"),
    "asterisks between": Form(_gaps("**"), "grouped"),
    "Markdown escapes": Form(_markdown, ALL),
    "HTML tags inside": Form(_tags, "grouped plain word"),
    "combining marks": Form(_between("\u0336", "\u0332"), "grouped plain"),
    "look-alike letters": Form(_homoglyphs, "word"),
    "decomposed accents": Form(lambda _, text: unicodedata.normalize("NFD", text), ALL, whole=True),
    # escapes
    "HTML decimal": Form(_entity("&#{};"), ALL),
    "HTML hexadecimal": Form(_entity("&#x{:x};"), ALL),
    "HTML, some characters": Form(_entity("&#{};", 0.3), ALL),
    "named spaces and dashes": Form(
        lambda _, value: value.replace(" ", "&nbsp;").replace("-", "&ndash;").replace("@", "&commat;"),
        "grouped word",
    ),
    "URL": Form(lambda _, value: urllib.parse.quote(value, safe=""), ALL),
    "URL, every character": Form(_percent, ALL),
    "URL twice": Form(_after(_percent, lambda _, value: urllib.parse.quote(value)), ALL),
    "JSON \\u": Form(_json_escaped, ALL),
    "JSON in JSON": Form(_json_in_json, "grouped plain word phone", whole=True),
    "quoted-printable": Form(_quoted, ALL, whole=True),
    # encodings
    "base64": Form(_base64, "grouped plain phone word"),
    "base64url": Form(_base64_url, "grouped plain phone word"),
    "base64 of the sentence": Form(_base64, ALL, whole=True),
    "base64 twice": Form(_after(_base64, _base64), ALL, whole=True),
    "hexadecimal": Form(lambda _, value: value.encode().hex(), ALL, whole=True),
    # two at once
    "full-width, zero-width": Form(_after(_full_width, _between("\u200b")), "grouped plain phone word"),
    "URL of base64": Form(_after(_base64, lambda _, value: urllib.parse.quote(value, safe="")), ALL, whole=True),
    "base64 of URL": Form(_after(_percent, _base64), ALL, whole=True),
    "base64 of JSON": Form(_after(_json_in_json, _base64), "grouped plain phone word", whole=True),
    "HTML of full-width": Form(_after(_full_width, _entity("&#{};")), "grouped plain phone word"),
    "HTML zero-width": Form(_between("&#8203;", "&zwnj;", "&shy;"), ALL),
    "dots in Arabic-Indic digits": Form(_after(_gaps("."), _mapped(0x660)), "grouped"),
    "line break in full-width": Form(_after(_line_break, _full_width), "grouped"),
}  # fmt: skip


def cases(seed: int, each: int) -> Iterator[Case]:
    """So many cases of each form with each kind of value that can be written so."""
    for name, form in FORMS.items():
        for kind, made in KINDS.items():
            if made.shape in form.shapes.split():
                rng = random.Random(f"{seed} {name} {kind}")
                for number in range(each):
                    yield case(rng, kind, name, number)


def case(rng: random.Random, kind: str, name: str, number: int) -> Case:
    """One case; its place is that of the disguised value, or of the rewritten sentence."""
    made, form = KINDS[kind], FORMS[name]
    carrier = made.carriers[number % len(made.carriers)]
    value = made.make(rng)
    if form.whole:
        written = form.write(rng, carrier.format(value))
        text = f"see {written} there"
        return Case(kind, name, text, made.sits, 4, 4 + len(written))
    written = form.write(rng, value)
    start = carrier.index("{}")
    text = carrier.replace("{}", written)
    return Case(kind, name, text, made.sits, start, start + len(written))
