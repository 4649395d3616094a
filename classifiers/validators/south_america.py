"""Numbers of South America that python-stdnum does not know."""

from dlpagent.classifiers.validators.arithmetic import weighted
from dlpagent.classifiers.validators.text import letters_and_digits


def br_rg(text: str) -> bool:
    """A Brazilian identity card number: 8 digits and a check digit (X = 10), or an 11-digit RIC.

    Check of the 9-place form: weights 9 to 2, sum mod 11. Source: rule of SSP-SP (São Paulo); other
    states number freely and mostly fail here. The RIC rule was never published: format only. All
    zeros is not a number.
    """
    code = letters_and_digits(text, 9, 11)
    if len(code) == 11:
        return code.isdigit() and code.strip("0") != ""
    if not code[:8].isdigit() or code == "000000000":
        return False
    return "0123456789X"[weighted(code, (9, 8, 7, 6, 5, 4, 3, 2)) % 11] == code[8]


VALIDATORS = {"br_rg": br_rg}
