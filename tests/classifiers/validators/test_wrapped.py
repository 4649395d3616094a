"""The validators over python-stdnum: a true number each, its neighbours, lazy import, failures."""

import subprocess
import sys

import pytest

from dlpagent.classifiers.validators import VALIDATORS, wrapped

# Numbers that the issuing authority, its documentation or an encyclopaedia prints as an example.
PUBLISHED = """
ar_cbu 28505909 40090418135201
ar_cuit 20-05536168-2
ar_dni 20.123.456
at_tin 59-119/9013
at_uid ATU13585627
at_vnr 1237 010180
au_abn 83 914 571 673
au_acn 000 000 019
be_bis 98.47.28-997.65
be_nn 85.07.30-033.28
be_vat BE0403.019.261
bg_egn 752316 926 3
br_cnpj 11.222.333/0001-81
br_cpf 111.444.777-35
ca_bc_phn 9698 658 215
ca_bn 12302 6635
ch_ssn 756.9217.0769.85
ch_uid CHE-100.155.212
cl_rut 12.531.909-2
cn_ric 11010519491231002X
cn_uscc 91110000600037341L
co_nit 213.123.432-1
cr_cpf 3-0455-0175
cusip 037833100
cy_vat 10259033P
cz_rc 710319/2745
de_idnr 86 095 742 719
de_vat DE136695976
dk_cpr 211062-5629
dk_cvr DK 13585628
do_cedula 001-1391820-5
ec_ci 171430710-3
ec_ruc 1792060346-001
ee_ik 37605030299
es_ccc 1234-1234-16-1234567890
es_cif J99216582
es_dni 12345678Z
es_nie X-2482300W
es_nif 12345678-Z
eu_vat LU 150 274 42
fi_hetu 131052-308T
fi_ytunnus 2077474-0
fr_nif 30 23 217 600 053
fr_nir 2 55 08 14 168 025 38
fr_siren 732 829 320
fr_siret 732 829 320 00074
fr_tva FR 40 303 265 045
gb_sedol B15KXQ8
gb_utr 1955839661
gb_vat GB 980 7806 84
gr_amka 01013099997
gr_vat 094259216
gt_nit 576937-K
hr_oib 33392005961
hu_anum HU12892312
id_nik 3171011708450001
id_npwp 01.312.166.0-091.000
ie_pps 1234567T
il_idnr 3933742-3
imei 49-015420-323751-8
imsi 429011234567890
in_aadhaar 2341 2341 2346
in_epic WKH1186253
in_gstin 27AAPFU0939F1ZV
in_pan ACUPA7085R
is_kennitala 450401-3150
isin US0378331005
it_codicefiscale RSSMRA85T10A562S
it_iva IT00743110157
jp_cn 7000012050002
jp_in 6214 9832 0257
kr_rrn 971013-9019902
lt_asmens 33309240064
lv_pvn 161175-19997
mx_curp BOXW310820HNERXN09
mx_rfc GODE561231GR8
my_nric 770305-02-1234
nl_btw NL004495445B01
no_fodselsnummer 151086 95088
no_kontonr 8601 11 17947
no_orgnr 988 077 917
nz_bankaccount 01-0902-0068389-00
nz_ird 49-091-850
pe_ruc 20512333797
pk_cnic 34201-0891231-8
pl_nip 856-734-62-15
pl_pesel 44051401359
pl_regon 192598184
pt_cc 00000000 0 ZZ4
pt_nif 501 964 843
py_ruc 80028061-0
ro_cnp 1630615123457
ro_cui 185 472 90
ru_inn 7707083893
ru_ogrn 1022200525819
se_orgnr 123456-7897
se_personnummer 811228-9874
sg_uen 197401143C
si_ddv SI 5022 3054
si_emso 0101006500006
sk_rc 710319/2745
th_pin 1-2345-67890-12-1
tr_tckimlik 10000000146
tr_vkn 4540536920
tw_ubn 00501503
ua_edrpou 32855961
ua_rntrc 1759013776
us_ein 04-2103594
uy_rut 21-100342-001-7
ve_rif V-11470283-4
vn_mst 0100233488
za_idnr 8001015009087
"""
NUMBERS = [tuple(line.split(" ", 1)) for line in PUBLISHED.strip().splitlines()]
# Without a check digit, or with one that lets some single changes through (mod 10 after mod 11,
# several accepted lengths or forms, a digit read in two ways).
WEAK = {
    *("ar_dni", "au_acn", "co_nit", "cr_cpf", "dk_cpr", "ee_ik", "es_ccc", "gb_utr", "gb_vat"),
    *("id_nik", "in_pan", "is_kennitala", "jp_cn", "lt_asmens", "mx_curp", "mx_rfc", "my_nric"),
    *("nl_btw", "nz_bankaccount", "th_pin", "tw_ubn", "us_ein"),
    *("ec_ruc", "id_npwp", "imsi", "pk_cnic", "py_ruc", "ro_cui", "ua_edrpou"),
}


def changed(number):
    """The number with each digit replaced by each other digit in turn."""
    for at, char in enumerate(number):
        if char.isdigit():
            yield from (number[:at] + d + number[at + 1 :] for d in "0123456789" if d != char)


def test_every_wrapped_validator_has_a_published_number():
    assert {name for name, _ in NUMBERS} == set(wrapped.MODULES)


@pytest.mark.parametrize(("name", "number"), NUMBERS)
def test_a_published_number_is_valid_in_every_spelling(name, number):
    check = VALIDATORS[name]
    assert check(number)
    assert check(number.lower())
    if name != "fi_hetu":  # the sign tells the century
        assert check("".join(char for char in number if char.isalnum()))
        assert check(number.replace(" ", "\u00a0").replace("-", "\u2013"))


@pytest.mark.parametrize(("name", "number"), [row for row in NUMBERS if row[0] not in WEAK])
def test_every_changed_digit_makes_a_published_number_invalid(name, number):
    accepted = [other for other in changed(number) if VALIDATORS[name](other)]
    assert accepted == []


@pytest.mark.parametrize("name", [name for name, _ in NUMBERS])
@pytest.mark.parametrize(
    "text", ["", " ", "-", "1", "12345678901234567890123456789", "Straße", "²"]
)
def test_a_wrong_length_or_alphabet_is_invalid(name, text):
    assert not VALIDATORS[name](text)


def test_a_module_that_raises_means_not_valid_and_is_counted():
    check = VALIDATORS["cn_ric"]
    before = wrapped.FAILURES["cn.ric"]
    assert not any(check(f"1101{county:02}194912310021") for county in range(20, 99))
    assert wrapped.FAILURES["cn.ric"] > before


def test_stdnum_is_imported_only_by_the_first_call_of_a_validator():
    program = (
        "import sys\n"
        "from dlpagent.classifiers.validators import VALIDATORS\n"
        "assert not any(m.startswith('stdnum') for m in sys.modules)\n"
        "assert VALIDATORS['pl_pesel']('44051401359')\n"
        "assert 'stdnum.pl' in sys.modules and 'stdnum.de' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
