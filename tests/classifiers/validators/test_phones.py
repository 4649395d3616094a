import pytest

from dlpagent.classifiers.validators import phones

VALID = [
    (phones.phone_nanp, "(212) 555-0123"), (phones.phone_nanp, "+1 212-736-5000"),
    (phones.phone_nanp, "1.800.356.9377"), (phones.phone_nanp, "416 555 0123 ext. 45"),
    (phones.phone_nanp, "4165550123x7"), (phones.phone_nanp, "tel:+1-416-555-0123"),
    (phones.phone_e164, "+44 20 7946 0958"), (phones.phone_e164, "+44 (0)20 7946 0958"),
    (phones.phone_e164, "0031 20 794 0123"), (phones.phone_e164, "+49 30 23125 000"),
    (phones.phone_e164, "+33 1 99 00 12 34"), (phones.phone_e164, "+61 2 5550 1234"),
    (phones.phone_e164, "+7 495 123-45-67"), (phones.phone_e164, "+358 9 1234 567"),
    (phones.phone_e164, "+86 138 0013 8000"), (phones.phone_e164, "+971 50 123 4567"),
    (phones.phone_e164, "+1 (416) 555-0123"), (phones.phone_e164, "+39 06 1234 5678"),
    (phones.phone, "(212) 555-0123"), (phones.phone, "+31 20 794 0123"),
]  # fmt: skip
INVALID = [
    (phones.phone_nanp, "112-555-0123"), (phones.phone_nanp, "211-555-0123"),
    (phones.phone_nanp, "292-555-0123"), (phones.phone_nanp, "372-555-0123"),
    (phones.phone_nanp, "962-555-0123"), (phones.phone_nanp, "212-055-0123"),
    (phones.phone_nanp, "212-911-0123"), (phones.phone_nanp, "212-555-012"),
    (phones.phone_nanp, "222-222-2222"), (phones.phone_nanp, "2-212-555-0123"),
    (phones.phone_nanp, "212-555-O123"), (phones.phone_nanp, ""),
    (phones.phone_e164, "44 20 7946 0958"), (phones.phone_e164, "+210 123 4567"),
    (phones.phone_e164, "+999 123 4567"), (phones.phone_e164, "+31 20 794 012"),
    (phones.phone_e164, "+31 20 794 01234"), (phones.phone_e164, "+1 112 555 0123"),
    (phones.phone_e164, "+33 1 99 00 12"), (phones.phone_e164, "+31 000000000"),
    (phones.phone_e164, "+28 123456789"), (phones.phone_e164, "+"), (phones.phone_e164,
    "+3٤5678901"),
    (phones.phone, "12345"), (phones.phone, "2024-01-31"), (phones.phone, "1" * 400),
]  # fmt: skip


@pytest.mark.parametrize(("check", "text"), VALID)
def test_a_telephone_number_is_valid(check, text):
    assert check(text)


@pytest.mark.parametrize(("check", "text"), INVALID)
def test_what_no_numbering_plan_allows_is_not_valid(check, text):
    assert not check(text)


@pytest.mark.parametrize(
    "code", ["212", "350", "380", "420", "507", "598", "670", "852", "971", "998"]
)
def test_a_three_digit_country_code_is_never_read_as_two(code):
    assert phones.phone_e164(f"+{code} 2 345 6789") or phones.phone_e164(f"+{code} 2 345 67890")
