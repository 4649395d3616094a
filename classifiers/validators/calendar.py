"""Whether numbers are a day of the Gregorian calendar."""

_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_day(year: int, month: int, day: int) -> bool:
    """Whether the day exists; any year from 1 on."""
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month] and year >= 1):
        return False
    return (month, day) != (2, 29) or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


def is_day_of_some_century(year: int, month: int, day: int) -> bool:
    """Whether the day exists in 19yy or 20yy; year: its last two digits."""
    return is_day(1900 + year, month, day) or is_day(2000 + year, month, day)
