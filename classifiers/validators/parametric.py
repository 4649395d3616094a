"""Validators of Purview rule packages that are built from parameters: Checksum and DateSimple."""

from collections.abc import Callable, Sequence

from dlpagent.classifiers.validators.arithmetic import weighted_values
from dlpagent.classifiers.validators.calendar import is_day, is_day_of_some_century
from dlpagent.classifiers.validators.text import digits, letters_and_digits
from dlpagent.errors import RuleError

DATE_PATTERNS = (
    "DDMMYYYY", "MMDDYYYY", "YYYYDDMM", "YYYYMMDD", "DDMMYY", "MMDDYY", "YYDDMM", "YYMMDD",
)  # fmt: skip


def checksum(
    weights: Sequence[int], mod: int, check_digit: int, allow_alphabets: bool = False
) -> Callable[[str], bool]:
    """Purview's `<Validator type="Checksum">`: the weighted sum mod `mod` equals the check digit.

    weights: one per character; a weight of 0 leaves that character out of the sum (the usual way to
    leave out the check digit itself). check_digit: place of the check digit, from 1.
    Where the documentation is silent we chose: separators do not count; the text must have exactly
    one letter or digit per weight; without allow_alphabets a letter makes it invalid, with it
    letters count A = 10 to Z = 35 regardless of case, the check digit included; a remainder above
    what the check digit can say is never equal.
    Raises RuleError when the parameters cannot work together.
    """
    plan = tuple(weights)
    if not plan or mod < 2 or not 1 <= check_digit <= len(plan):
        raise RuleError(
            "a Checksum validator cannot work with these parameters",
            expected="one or more weights, Mod of 2 or more, CheckDigit between 1 and their number",
            found=f"{len(plan)} weights, Mod {mod}, CheckDigit {check_digit}",
            remedy="Correct the Param elements of the validator.",
        )
    read = letters_and_digits if allow_alphabets else digits

    def accepts(text: str) -> bool:
        code = read(text, len(plan))
        return code != "" and weighted_values(code, plan) % mod == int(code[check_digit - 1], 36)

    return accepts


def date_simple(pattern: str) -> Callable[[str], bool]:
    """Purview's `<Validator type="DateSimple">`: the digits, in this order, are a calendar day.

    pattern: one of DATE_PATTERNS. Separators do not count, so each part must be written in full
    (01.02.2024, not 1.2.2024). A two-digit year is valid when the day exists in 19yy or 20yy; year
    0000 is not valid. Raises RuleError for another pattern.
    """
    if pattern not in DATE_PATTERNS:
        raise RuleError(
            "a DateSimple validator has an unknown pattern",
            expected=f"one of {', '.join(DATE_PATTERNS)}",
            found=repr(pattern),
            remedy="Correct the Pattern parameter.",
        )
    places = {
        part: slice(pattern.index(part), pattern.rindex(part) + 1) for part in ("Y", "M", "D")
    }
    is_real = is_day if "YYYY" in pattern else is_day_of_some_century

    def accepts(text: str) -> bool:
        number = digits(text, len(pattern))
        return number != "" and is_real(*(int(number[places[part]]) for part in ("Y", "M", "D")))

    return accepts
