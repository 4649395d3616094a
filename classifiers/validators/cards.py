"""Payment cards: issuer prefix, length and Luhn."""

from dlpagent.classifiers.validators.arithmetic import luhn_ok
from dlpagent.classifiers.validators.text import digits


def _issuers() -> list[int]:
    """Allowed lengths (bit n set = n digits) by the first four digits.

    Source: ISO/IEC 7812 issuer identification ranges as the card schemes publish them. A later row
    overrides or, where schemes share a range, is widened by hand.
    """
    sixteen, long = 1 << 16, sum(1 << n for n in range(16, 20))
    maestro, diners = sum(1 << n for n in range(12, 20)), 1 << 14 | long
    table = [0] * 10000
    for first, last, lengths in (
        (2200, 2205, long),  # Mir, Borica
        (2221, 2720, sixteen),  # Mastercard, 2-series
        (3000, 3059, diners),  # Diners Club
        (3095, 3095, diners),
        (3400, 3499, 1 << 15),  # American Express
        (3528, 3589, long),  # JCB
        (3600, 3699, diners),
        (3700, 3799, 1 << 15),  # American Express
        (3800, 3999, diners),
        (4000, 4999, 1 << 13 | sixteen | 1 << 19),  # Visa
        (5000, 5099, maestro),  # Maestro; Verve, RuPay and Elo 50xx lie inside
        (5100, 5599, sixteen),  # Mastercard
        (5600, 5899, maestro),
        (6011, 6011, long),  # Discover
        (6060, 6089, sixteen),  # Hipercard, RuPay
        (6200, 6299, long),  # UnionPay (and Discover co-brand)
        (6304, 6304, maestro),
        (6360, 6399, long),  # InterPayment, InstaPayment
        (6390, 6390, maestro),
        (6440, 6599, long),  # Discover; RuPay, Elo, Troy and Verve 65xx lie inside
        (6700, 6799, maestro),
        (8100, 8199, long),  # UnionPay, RuPay
        (8200, 8299, sixteen),  # RuPay
        (8600, 8600, sixteen),  # Uzcard
        (9792, 9792, sixteen),  # Troy
        (9860, 9860, sixteen),  # Humo
    ):
        table[first : last + 1] = [lengths] * (last + 1 - first)
    return table


ISSUED = _issuers()


def luhn(text: str) -> bool:
    """Any number of digits that passes the Luhn formula. Source: ISO/IEC 7812-1 annex B."""
    number = digits(text)
    return number != "" and luhn_ok(number)


def credit_card(text: str) -> bool:
    """A card number: known issuer prefix with its lengths, Luhn, not one digit repeated.

    UnionPay is held to Luhn like all others: its current cards carry the check digit, and without
    it any 16 digits starting with 62 would pass. Source: ISO/IEC 7812, ranges of the schemes.
    """
    number = digits(text)
    if not 12 <= len(number) <= 19 or not ISSUED[int(number[:4])] >> len(number) & 1:
        return False
    return luhn_ok(number) and number.count(number[0]) != len(number)


VALIDATORS = {"luhn": luhn, "credit_card": credit_card}
