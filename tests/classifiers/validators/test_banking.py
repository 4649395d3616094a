import random

import pytest
from stdnum import iban as stdnum_iban
from stdnum.us import rtn as stdnum_rtn

from dlpagent.classifiers.validators import banking

# Examples of the SWIFT IBAN registry.
IBANS = [
    "AD1200012030200359100100", "AE070331234567890123456", "AL47212110090000000235698741",
    "AT611904300234573201", "AZ21NABZ00000000137010001944", "BA391290079401028494",
    "BE68539007547034", "BG80BNBG96611020345678", "BH67BMAG00001299123456",
    "BR1800360305000010009795493C1", "BY13NBRB3600900000002Z00AB00", "CH9300762011623852957",
    "CR05015202001026284066", "CY17002001280000001200527600", "CZ6508000000192000145399",
    "DE89370400440532013000", "DK5000400440116243", "DO28BAGR00000001212453611324",
    "EE382200221020145685", "EG380019000500000000263180002", "ES9121000418450200051332",
    "FI2112345600000785", "FO6264600001631634", "FR1420041010050500013M02606",
    "GB29NWBK60161331926819", "GE29NB0000000101904917", "GI75NWBK000000007099453",
    "GL8964710001000206", "GR1601101250000000012300695", "GT82TRAJ01020000001210029690",
    "HR1210010051863000160", "HU42117730161111101800000000", "IE29AIBK93115212345678",
    "IL620108000000099999999", "IQ98NBIQ850123456789012", "IS140159260076545510730339",
    "IT60X0542811101000000123456", "JO94CBJO0010000000000131000302",
    "KW81CBKU0000000000001234560101", "KZ86125KZT5004100100", "LB62099900000001001901229114",
    "LC55HEMM000100010012001200023015", "LI21088100002324013AA", "LT121000011101001000",
    "LU280019400644750000", "LV80BANK0000435195001", "MC5811222000010123456789030",
    "MD24AG000225100013104168", "ME25505000012345678951", "MK07250120000058984",
    "MR1300020001010000123456753", "MT84MALT011000012345MTLCAST001S",
    "MU17BOMM0101101030300200000MUR", "NL91ABNA0417164300", "NO9386011117947",
    "PK36SCBL0000001123456702", "PL61109010140000071219812874", "PS92PALS000000000400123456702",
    "PT50000201231234567890154", "QA58DOHB00001234567890ABCDEFG", "RO49AAAA1B31007593840000",
    "RS35260005601001611379", "SA0380000000608010167519", "SC18SSCB11010000000000001497USD",
    "SE4550000000058398257466", "SI56263300012039086", "SK3112000000198742637541",
    "SM86U0322509800000000270100", "ST23000100010051845310146", "SV62CENR00000000000000700025",
    "TL380080012345678910157", "TN5910006035183598478831", "TR330006100519786457841326",
    "UA213223130000026007233566001", "VA59001123000012345678", "VG96VPVG0000012345678901",
    "XK051212012345678906",
]  # fmt: skip


@pytest.mark.parametrize("number", IBANS)
def test_registry_examples_are_valid_in_every_spelling(number):
    assert banking.iban(number)
    assert banking.iban(number.lower())
    assert banking.iban(" ".join(number[at : at + 4] for at in range(0, len(number), 4)))


@pytest.mark.parametrize("number", IBANS)
def test_every_changed_digit_and_every_exchange_of_neighbour_digits_is_refused(number):
    for at, char in enumerate(number):
        for digit in set("0123456789") - {char} if char.isdigit() else ():
            assert not banking.iban(number[:at] + digit + number[at + 1 :])
    for at in range(len(number) - 1):
        if number[at] != number[at + 1] and number[at : at + 2].isdigit():
            other = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
            assert not banking.iban(other)


@pytest.mark.parametrize(
    "text",
    ["", "NL", "NL91ABNA041716430", "NL91ABNA04171643000", "XX91ABNA0417164300", "NL91 ABNA"],
)
def test_wrong_length_or_country_is_no_iban(text):
    assert not banking.iban(text)


def test_check_digits_00_01_and_99_are_never_used():
    for number in IBANS:
        assert not any(banking.iban(number[:2] + pair + number[4:]) for pair in ("00", "01", "99"))


def test_iban_agrees_with_stdnum_without_its_national_checks_on_5000_inputs():
    rng = random.Random(3)
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for _ in range(2500):
        number = rng.choice(IBANS)
        body = number[4:-3] + "".join(rng.choices(alphabet, k=3))
        digits = stdnum_iban.calc_check_digits(number[:4] + body)
        for text in (number[:2] + digits + body, number[:4] + body):
            assert banking.iban(text) is stdnum_iban.is_valid(text, check_country=False), text[:2]


@pytest.mark.parametrize("code", ["DEUTDEFF", "deut de ff 500", "NEDSZAJJXXX", "PCBKXKPRXXX"])
def test_real_codes_are_bics(code):
    assert banking.bic(code)


@pytest.mark.parametrize(
    "code",
    ["", "DEUTUKFF", "DEUTEUFF", "D3UTDEFF", "DEUTDEF", "DEUTDEFF5", "DEUTDEFF5000", "PASSWORD"],
)
def test_wrong_country_letters_or_length_is_no_bic(code):
    assert not banking.bic(code)


# Routing numbers the Federal Reserve lists in public.
RTN = ["021000021", "0110-0001-5", "121000358", "322271627", "061000052", "800000019"]


@pytest.mark.parametrize("number", RTN)
def test_listed_routing_numbers_are_valid(number):
    assert banking.us_rtn(number)


@pytest.mark.parametrize("number", RTN)
def test_every_changed_digit_of_a_routing_number_is_refused(number):
    for at, char in enumerate(number):
        for digit in set("0123456789") - {char} if char.isdigit() else ():
            assert not banking.us_rtn(number[:at] + digit + number[at + 1 :])


@pytest.mark.parametrize(
    "number", ["000000000", "131000001", "991000003", "02100002", "0210000210"]
)
def test_zeros_unassigned_prefixes_and_wrong_lengths_are_refused(number):
    assert not banking.us_rtn(number)


def test_exactly_the_assigned_prefixes_are_accepted():
    assigned = {*range(13), *range(21, 33), *range(61, 73), 80}
    for prefix in range(100):
        numbers = (f"{prefix:02}{tail:07}" for tail in range(1, 21))
        assert any(banking.us_rtn(number) for number in numbers) is (prefix in assigned)


def test_routing_numbers_agree_with_stdnum_where_the_prefix_is_assigned():
    rng = random.Random(5)
    for _ in range(3000):
        prefix = rng.choice([*range(1, 13), *range(21, 33), *range(61, 73), 80])
        number = f"{prefix:02}{rng.randrange(10**7):07}"
        assert banking.us_rtn(number) is stdnum_rtn.is_valid(number)


@pytest.mark.parametrize("code", ["213800KUD8LAJWSQ9D15", "5493 000I BP32 UQZ0 KL24"])
def test_a_published_legal_entity_identifier_is_valid(code):
    assert banking.lei(code)
    assert banking.lei(code.lower())


@pytest.mark.parametrize("code", ["213800KUD8LAJWSQ9D1A", "213800KUD8LAJWSQ9D1", "1", "0" * 20])
def test_a_wrong_end_length_or_all_zeros_is_no_legal_entity(code):
    assert not banking.lei(code)


def test_every_changed_or_exchanged_place_of_a_legal_entity_is_refused():
    code = "5493000IBP32UQZ0KL24"
    for at, char in enumerate(code):
        kind = "0123456789" if char.isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for other in set(kind) - {char}:
            assert not banking.lei(code[:at] + other + code[at + 1 :])
    for at in range(len(code) - 1):
        if code[at] != code[at + 1] and code[at].isdigit() == code[at + 1].isdigit():
            assert not banking.lei(code[:at] + code[at + 1] + code[at] + code[at + 2 :])
