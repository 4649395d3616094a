"""Calendar dates as people write them, in digits or with month names of seven languages."""

import re
import unicodedata

from dlpagent.classifiers.validators.calendar import is_day, is_day_of_some_century

# English, Dutch, French, German, Italian, Portuguese, Spanish; without accents, by month.
_MONTH_NAMES = (
    "january januari janvier januar janner gennaio janeiro enero jan janv gen ene",
    "february februari fevrier februar feber febbraio fevereiro febrero feb fev fevr febr",
    "march maart mars marz maerz marzo marco mar mrt mrz",
    "april avril aprile abril apr avr abr",
    "may mei mai maggio maio mayo mag",
    "june juni juin giugno junho junio jun giu",
    "july juli juillet luglio julho julio jul juil lug",
    "august augustus aout agosto aug ago",
    "september septembre settembre setembro septiembre setiembre sep sept set",
    "october oktober octobre ottobre outubro octubre oct okt ott out",
    "november novembre novembro noviembre nov",
    "december dezember decembre dicembre dezembro diciembre dec dez dic",
)
_MONTHS = {name: i for i, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_FILLERS = {"of", "the", "de", "del", "den", "der", "le", "st", "nd", "rd", "th", "er", "o", "a"}
_TOKEN = re.compile(r"[0-9]+|[a-z]+")


def _tokens(text: str) -> list[str] | None:
    """Digit groups and month names (as "m1" to "m12"); None when another word is in the way."""
    if len(text) > 64:
        return None
    plain = unicodedata.normalize("NFD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    found = []
    for token in _TOKEN.findall(plain):
        if token in _MONTHS:
            found.append(f"m{_MONTHS[token]}")
        elif token[0].isdigit():
            found.append(token)
        elif token not in _FILLERS:
            return None
    return found


def _is_date(year: str, month: str, day: str) -> bool:
    """Whether the three written parts name a day; a year has two digits, or four from 1800 on."""
    if not (len(month) <= 2 and len(day) <= 2 and len(year) in (2, 4)):
        return False
    y, m, d = int(year), int(month), int(day)
    if len(year) == 2:
        return is_day_of_some_century(y, m, d)
    return 1800 <= y <= 2199 and is_day(y, m, d)


def _named(tokens: list[str]) -> bool:
    """Dates with a month name: day month year, or month day year."""
    at = next((i for i, token in enumerate(tokens) if token[0] == "m"), -1)
    if at not in (0, 1):
        return False
    rest = tokens[:at] + tokens[at + 1 :]
    return all(t.isdigit() for t in rest) and _is_date(rest[1], tokens[at][1:], rest[0])


def _parts(text: str) -> list[str]:
    """The three parts of a date in the order written; 8 digits in one are left whole."""
    tokens = _tokens(text) or []
    return tokens if len(tokens) in (1, 3) else []


def date_us(text: str) -> bool:
    """A date written month, day, year (also eight digits in one), or with a month name.

    Source: Purview's Func_us_date: month names in EN NL FR DE IT PT ES, two-digit years allowed.
    """
    parts = _parts(text)
    if len(parts) == 1:
        return len(parts[0]) == 8 and _is_date(parts[0][4:], parts[0][:2], parts[0][2:4])
    if any(part[0] == "m" for part in parts):
        return _named(parts)
    return bool(parts) and _is_date(parts[2], parts[0], parts[1])


def date_eu(text: str) -> bool:
    """A date written day, month, year (also eight digits in one), or with a month name.

    Source: Purview's Func_eu_date: month names in EN NL FR DE IT PT ES, two-digit years allowed.
    """
    parts = _parts(text)
    if len(parts) == 1:
        return len(parts[0]) == 8 and _is_date(parts[0][4:], parts[0][2:4], parts[0][:2])
    if any(part[0] == "m" for part in parts):
        return _named(parts)
    return bool(parts) and _is_date(parts[2], parts[1], parts[0])


def date_iso(text: str) -> bool:
    """A date written year, month, day with a four-digit year (also eight digits). ISO 8601."""
    parts = _parts(text)
    if len(parts) == 1 and len(parts[0]) == 8:
        parts = [parts[0][:4], parts[0][4:6], parts[0][6:]]
    if len(parts) != 3 or not all(part.isdigit() for part in parts) or len(parts[0]) != 4:
        return False
    return _is_date(*parts)


def expiration_date(text: str) -> bool:
    """A card's expiry: month and year, MM/YY, MM/YYYY, YYYY/MM, MMYY or a month name with a year.

    Four-digit years run from 1990 to 2099. Source: Purview's Func_expiration_date.
    """
    tokens = _tokens(text) or []
    if len(tokens) == 1 and len(tokens[0]) == 4:
        tokens = [tokens[0][:2], tokens[0][2:]]
    if len(tokens) != 2 or tokens[1][0] == "m":
        return False
    month, year = tokens[0].lstrip("m"), tokens[1]
    if len(month) == 4 and len(year) == 2:
        month, year = year, month
    if len(month) > 2 or not 1 <= int(month) <= 12:
        return False
    return len(year) == 2 or (len(year) == 4 and 1990 <= int(year) <= 2099)


VALIDATORS = {
    "date_eu": date_eu,
    "date_iso": date_iso,
    "date_us": date_us,
    "expiration_date": expiration_date,
}
