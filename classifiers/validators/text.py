"""What all validators do first: take out separators, and insist on ASCII digits or letters."""

_SEPARATORS = " \t\r\n\u00a0\u2007\u2009\u202f\u3000-\u2010\u2011\u2012\u2013\u2014\u2212./,:()_'`|"
_DROP = dict.fromkeys(map(ord, _SEPARATORS))


def words(table: str) -> list[str]:
    """The entries of a table written as one text, so that its source stays readable."""
    return table.split()


def compact(text: str) -> str:
    """The text without separators (spaces, dashes, dots, slashes, brackets); case is kept."""
    return text if text.isalnum() else text.translate(_DROP)


def digits(text: str, *lengths: int) -> str:
    """The ASCII digits of the text, or "" when anything else is left or the count is not allowed.

    lengths: the counts allowed; none given allows every count.
    """
    bare = compact(text)
    if not (bare.isascii() and bare.isdigit()):
        return ""
    return bare if not lengths or len(bare) in lengths else ""


def letters_and_digits(text: str, *lengths: int) -> str:
    """Like `digits`, for ASCII letters and digits; upper case."""
    bare = compact(text)
    if not (bare.isascii() and bare.isalnum()):
        return ""
    return bare.upper() if not lengths or len(bare) in lengths else ""
