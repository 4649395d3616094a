from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.validators import dates

DAYS = st.dates(date(1800, 1, 1), date(2199, 12, 31))

VALID = [
    (dates.date_us, "12/31/1999"), (dates.date_us, "1-2-03"), (dates.date_us, "02.29.2000"),
    (dates.date_us, "12312023"), (dates.date_us, "March 5, 2020"), (dates.date_us, "Mar. 5th 2020"),
    (dates.date_us, "SEPT 30 99"), (dates.date_us, "05 March 2020"),
    (dates.date_eu, "31/12/1999"), (dates.date_eu, "31.12.99"), (dates.date_eu, "29-02-2024"),
    (dates.date_eu, "31122023"), (dates.date_eu, "5 maart 2020"), (dates.date_eu, "5. März 2020"),
    (dates.date_eu, "5 mars 2020"), (dates.date_eu, "1er août 2020"), (dates.date_eu,
    "5 marzo 2020"),
    (dates.date_eu, "5 de março de 2020"), (dates.date_eu, "5 de agosto de 2020"),
    (dates.date_eu, "12 déc. 2021"), (dates.date_eu, "3 OKT 1990"), (dates.date_eu, "3 gen 2001"),
    (dates.date_iso, "2024-02-29"), (dates.date_iso, "20240229"), (dates.date_iso, "1999/12/31"),
    (dates.expiration_date, "12/25"), (dates.expiration_date, "01-2030"),
    (dates.expiration_date, "1 / 27"), (dates.expiration_date, "2027-06"),
    (dates.expiration_date, "0628"), (dates.expiration_date, "June 2028"),
    (dates.expiration_date, "dez 29"), (dates.expiration_date, "août 2028"),
]  # fmt: skip
INVALID = [
    (dates.date_us, "31/12/1999"), (dates.date_us, "02/29/2001"), (dates.date_us, "00/10/2001"),
    (dates.date_us, "12/31/199"), (dates.date_us, "12/31/1799"), (dates.date_us, "12/31"),
    (dates.date_us, "1/2/3/2004"), (dates.date_us, "Smarch 5, 2020"), (dates.date_us, ""),
    (dates.date_us, "March March 2020"), (dates.date_us, "²/3/2020"), (dates.date_us, "123120"),
    (dates.date_eu, "12/31/1999"), (dates.date_eu, "30 februari 2020"), (dates.date_eu,
    "31 juin 20"),
    (dates.date_eu, "2020 mei 5"), (dates.date_eu, "5 mei"), (dates.date_eu, "100 mei 2020"),
    (dates.date_iso, "2023-02-29"), (dates.date_iso, "24-02-29"), (dates.date_iso, "2024-13-01"),
    (dates.date_iso, "2024 mei 5"), (dates.expiration_date, "13/25"), (dates.expiration_date,
    "00/25"),
    (dates.expiration_date, "12/1989"), (dates.expiration_date, "12/2100"),
    (dates.expiration_date, "1325"), (dates.expiration_date, "12/255"),
    (dates.expiration_date, "2028 June"), (dates.expiration_date, "12"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "text"), VALID)
def test_a_real_date_is_valid(check, text):
    assert check(text)


@pytest.mark.parametrize(("check", "text"), INVALID)
def test_what_is_no_date_of_this_order_is_not_valid(check, text):
    assert not check(text)


@given(DAYS, st.sampled_from("/-. "))
def test_every_day_is_valid_in_each_order(day, sep):
    y, m, d = f"{day:%Y}", f"{day:%m}", f"{day:%d}"
    assert dates.date_us(sep.join((m, d, y)))
    assert dates.date_eu(sep.join((d, m, y)))
    assert dates.date_iso(sep.join((y, m, d)))


@given(DAYS)
def test_the_day_after_the_last_of_a_month_is_never_valid(day):
    first_of_next = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    after = (first_of_next - timedelta(days=1)).day + 1
    assert not dates.date_eu(f"{after}.{day.month}.{day.year}")


@pytest.mark.parametrize("language", range(7))
def test_twelve_month_names_are_known_in_each_of_seven_languages(language):
    names = (
        """
    January February March April May June July August September October November December
    januari februari maart april mei juni juli augustus september oktober november december
    janvier février mars avril mai juin juillet août septembre octobre novembre décembre
    Januar Februar März April Mai Juni Juli August September Oktober November Dezember
    gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
    janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
    """.strip()
        .splitlines()[language]
        .split()
    )
    assert len(names) == 12
    for month, name in enumerate(names, 1):
        last = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}.get(month, 31)
        assert dates.date_eu(f"{last} {name} 2024")
        assert not dates.date_eu(f"{last + 1} {name} 2024")
