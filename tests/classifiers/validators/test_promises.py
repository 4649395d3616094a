"""What each check digit promises of typing errors, held on random valid numbers.

A validator stands in exactly one table: a new one must say what its rule catches.
"""

import importlib.util
import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.validators import VALIDATORS
from dlpagent.classifiers.validators.text import words

ROOT = Path(__file__).resolve().parents[3]

# Every changed digit and every exchange of neighbours: distinct weights mod 11, 23, 97, Verhoeff.
ALL_ERRORS = words("""
at_vnr au_abn au_tfn be_vat br_rg ca_bc_phn ch_uid cl_rut cn_uscc cy_vat
dk_cpr_checked dk_cvr es_dni es_driver es_nie es_nif eu_vat fi_hetu fi_ytunnus fr_nif fr_nir fr_tva
gb_nhs gt_nit hk_hkid hu_tax iban ie_pps in_aadhaar in_gstin it_codicefiscale lei lu_legal
lu_natural nl_bsn no_fodselsnummer no_kontonr no_orgnr pl_nip sg_nric sg_uen uy_rut vn_mst
""")
# Luhn and its kin: every changed digit, every exchange but 09 for 90.
ALL_BUT_09 = words("""
ae_id at_tin ca_bn ca_ohip ca_sin credit_card cusip do_cedula ec_ci es_cif fr_siren fr_siret
gr_amka il_idnr imei in_epic isin it_iva luhn pt_cc sa_national_id se_orgnr se_personnummer us_npi
za_idnr
""")
# Weights mod 10: every changed digit, every exchange but of digits that differ by five.
ALL_BUT_FIVE_APART = words("""
ar_cbu ch_ssn de_document_check gb_sedol hu_anum hu_taj mx_clabe pl_id_card pl_passport pl_pesel
tr_tckimlik us_rtn
""")
# Every changed digit, and most exchanges: cross sums, ISO 7064 mod 11-10, equal weights mod 11.
CHANGES_ONLY = words("at_uid de_idnr de_vat hr_oib kr_brn nz_nhi si_ddv tr_vkn vin")
# One in eight or fewer slips through: two remainders share a digit, a century is read in two ways,
# or a place is not covered.
MOST = words("""
ar_cuit au_acn au_medicare be_bis be_nn bg_egn br_cnpj br_cpf co_nit cz_rc ee_ik es_ccc es_ssn
gb_utr gb_vat gr_vat hu_personal_id ir_national is_kennitala jp_cn jp_driver jp_in kr_rrn kz_iin lt_asmens
lv_personal_code lv_pvn nz_ird pe_ruc pl_regon pt_nif py_ruc ro_cnp ro_cui ru_inn ru_ogrn ru_snils
si_emso sk_rc th_pin tw_arc tw_id tw_ubn ua_edrpou ua_rntrc us_dea ve_rif
""")
# Format, date or place only; no public check, or one that covers part of the number.
NO_PROMISE = words("""
ar_dni bic cr_cpf de_driver de_id_card de_passport dk_cpr ec_ruc eg_national fi_ehic gb_driver
gb_nino icd_10_cm icd_9_cm id_nik id_npwp imsi in_pan mt_id mx_curp mx_rfc my_nric nl_btw
nz_bankaccount nz_driver nz_social_welfare ph_umid pk_cnic qa_id us_ein us_itin us_mbi us_ssn
us_ssn_pre2011
""")
# Too rare to be drawn; test_crypto.py, test_china.py and test_wrapped.py hold them to examples.
NEVER_DRAWN = words("base58check bech32_address cn_resident_id cn_ric ethereum_address")
# Words, dates, addresses, secrets: no check digit in the sense of this file.
NO_NUMBER = words("""
azure_cask azure_key base64_secret date_eu date_iso date_us der_base64 email expiration_date
github_checksum hex_secret ip_address ipv4 ipv4_public ipv4_undotted ipv6 jwt keyed_token
mac_address marked_token npm_checksum password_like password_value phone phone_e164 phone_nanp
secret_like token_shape url_password vendor_token
""")
CAUGHT = [*ALL_ERRORS, *ALL_BUT_09, *ALL_BUT_FIVE_APART, *CHANGES_ONLY]
TRIES = 60_000
SEEDS = st.integers(0, 5)
# A longer form exists: a software version, the number of a person on the card.
LONGER = {"au_medicare", "imei"}


def _selectivity():
    path = ROOT / "benchmarks" / "validator_selectivity.py"
    spec = importlib.util.spec_from_file_location("validator_selectivity", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_SELECTIVITY = _selectivity()


@cache
def valid(name, seed):
    """A random number that the validator accepts."""
    rng = random.Random(seed)
    shape = _SELECTIVITY.SHAPES[name]
    return next(
        number
        for number in (_SELECTIVITY.draw(shape, rng) for _ in range(TRIES))
        if VALIDATORS[name](number)
    )


def changed(number):
    """The number with each digit replaced by each other digit in turn."""
    for at, char in enumerate(number):
        if char.isdigit():
            yield from (number[:at] + d + number[at + 1 :] for d in "0123456789" if d != char)


def exchanged(number):
    """Each pair of different neighbour digits, and the number with them exchanged."""
    for at in range(len(number) - 1):
        pair = number[at : at + 2]
        if pair.isdigit() and pair[0] != pair[1]:
            yield pair, number[:at] + pair[::-1] + number[at + 2 :]


def test_every_validator_says_what_it_promises():
    tables = [*CAUGHT, *MOST, *NO_PROMISE, *NEVER_DRAWN, *NO_NUMBER]
    assert len(tables) == len(set(tables))
    assert set(VALIDATORS) - set(tables) == set()


@pytest.mark.parametrize("name", CAUGHT)
@settings(max_examples=3, deadline=None)
@given(seed=SEEDS)
def test_every_changed_digit_is_refused(name, seed):
    accepted = [other for other in changed(valid(name, seed)) if VALIDATORS[name](other)]
    assert accepted == []


@pytest.mark.parametrize("name", [*ALL_ERRORS, *ALL_BUT_09, *ALL_BUT_FIVE_APART])
@settings(max_examples=3, deadline=None)
@given(seed=SEEDS)
def test_every_promised_exchange_of_neighbours_is_refused(name, seed):
    accepted = {
        abs(int(pair[0]) - int(pair[1]))
        for pair, other in exchanged(valid(name, seed))
        if VALIDATORS[name](other)
    }
    allowed = {9} if name in ALL_BUT_09 else {5} if name in ALL_BUT_FIVE_APART else set()
    assert accepted <= allowed


@pytest.mark.parametrize("name", MOST)
def test_seven_in_eight_changed_digits_are_refused(name):
    others = [other for seed in range(6) for other in changed(valid(name, seed))]
    assert sum(map(VALIDATORS[name], others)) <= len(others) / 8


@pytest.mark.parametrize("name", sorted({*CAUGHT, *MOST} - LONGER))
@settings(max_examples=2, deadline=None)
@given(seed=SEEDS)
def test_a_digit_more_at_either_end_is_mostly_refused(name, seed):
    number = valid(name, seed)
    longer = [d + number for d in "123456789"] + [number + d for d in "0123456789"]
    assert sum(map(VALIDATORS[name], longer)) <= len(longer) / 4
