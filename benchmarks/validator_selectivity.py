"""Measure what share of random strings of its natural shape each validator accepts.

Run from the repository:  python benchmarks/validator_selectivity.py [--update]
With --update the last column of the tables in docs/validators.md is rewritten. Seeded, so two runs
on one version give the same figures (validators that know today's date may move a little).
"""

import argparse
import random
import re
import string
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dlpagent.classifiers.validators import VALIDATORS, Validator  # noqa: E402

SAMPLES = 20_000
SEED = 20261122
DOCS = ROOT / "docs" / "validators.md"

# d digit, A upper-case letter, a lower-case letter, * upper-case letter or digit, ? letter or digit
# of any case, h hexadecimal digit; {n} repeats the character before it; \ takes one literally.
SHAPES = {
    "ae_id": "784d{12}", "ar_cuit": "d{11}", "ar_dni": "d{8}", "at_tin": "d{9}",
    "at_uid": "\\ATUd{8}", "at_vnr": "d{10}", "au_abn": "d{11}", "au_acn": "d{9}",
    "au_medicare": "d{10}", "au_tfn": "d{9}", "azure_cask": "?{52}JQQJ99?\\A?{16}A?{7}",
    "azure_key": "?{76}+\\ASt?{5}A==", "base58check": "1?{33}", "base64_secret": "?{43}=",
    "be_bis": "d{11}", "be_nn": "d{11}", "be_vat": "BE0d{9}", "bech32_address": "bc1q?{38}",
    "bg_egn": "d{10}", "bic": "A{8}", "br_cnpj": "d{14}", "br_cpf": "d{11}", "br_rg": "d{9}",
    "ca_bc_phn": "9d{9}", "ca_bn": "d{9}", "ca_ohip": "d{10}", "ca_sin": "d{9}",
    "ch_ssn": "756d{10}", "cl_rut": "d{8}-d", "cn_resident_id": "d{18}", "cn_ric": "d{18}",
    "co_nit": "d{10}", "cr_cpf": "0d-d{4}-d{4}", "credit_card": "d{16}", "cy_vat": "d{8}A", "cz_rc": "d{6}/d{4}",
    "date_eu": "dd/dd/d{4}", "date_iso": "d{4}-dd-dd", "date_us": "dd/dd/d{4}",
    "de_document_check": "L*{8}d", "de_driver": "Ad{2}*{6}d*", "de_id_card": "L*{8}",
    "de_idnr": "d{11}", "de_passport": "C*{8}", "de_vat": "DEd{9}", "der_base64": "MII?{61}",
    "dk_cpr": "d{6}-d{4}", "dk_cpr_checked": "d{6}-d{4}", "do_cedula": "d{11}", "ec_ci": "d{10}",
    "ee_ik": "d{11}", "email": "\\a{6}@\\a{5}.\\a{3}", "es_ccc": "d{20}", "es_cif": "Bd{8}",
    "es_dni": "d{8}A", "es_driver": "d{8}A", "es_nie": "Xd{7}A", "es_nif": "d{8}A",
    "es_ssn": "d{12}", "ethereum_address": "0xh{40}", "expiration_date": "dd/dd",
    "fi_ehic": "d{20}", "fi_hetu": "d{6}-d{3}*", "fr_nif": "d{13}", "fr_nir": "d{15}",
    "fr_siren": "d{9}", "fr_siret": "d{14}", "fr_tva": "FRd{11}", "gb_driver": "A{5}d{6}A{2}dA{2}",
    "gb_nhs": "d{10}", "gb_nino": "AAd{6}A", "gb_utr": "d{10}", "gb_vat": "GBd{9}",
    "github_checksum": "ghp_?{36}", "gr_amka": "d{11}", "gr_vat": "d{9}", "hex_secret": "h{32}",
    "hk_hkid": "Ad{6}(*)", "hr_oib": "d{11}", "hu_anum": "HUd{8}", "hu_personal_id": "d{11}",
    "hu_taj": "d{9}", "hu_tax": "8d{9}", "iban": "NLddA{4}d{10}", "icd_10_cm": "Add.d", "icd_9_cm": "ddd.d",
    "id_nik": "d{16}",
    "ie_pps": "d{7}A", "il_idnr": "d{9}", "imei": "d{15}", "in_aadhaar": "d{12}",
    "in_epic": "AAAd{7}", "in_gstin": "ddAAA*Ad{4}AdZ*", "in_pan": "A{5}d{4}A",
    "ip_address": "ddd.ddd.ddd.ddd", "ipv4": "ddd.ddd.ddd.ddd", "ipv4_public": "ddd.ddd.ddd.ddd",
    "ipv4_undotted": "d{12}", "ipv6": "h{4}:h{4}::h{4}", "is_kennitala": "d{6}-d{4}",
    "it_codicefiscale": "A{6}ddAddAdddA", "it_iva": "ITd{11}", "jp_cn": "d{13}",
    "jp_driver": "d{12}", "jp_in": "d{12}", "jwt": "eyJ?{33}.?{60}.?{43}", "kr_rrn": "d{6}-d{7}",
    "lt_asmens": "d{11}", "lu_legal": "d{11}", "lu_natural": "d{13}", "luhn": "d{16}",
    "lv_personal_code": "d{6}-d{5}", "lv_pvn": "d{6}-d{5}", "mac_address": "hh:hh:hh:hh:hh:hh",
    "marked_token": "sk_live_?{24}", "mt_id": "d{7}A", "mx_curp": "A{4}d{6}HAAA{3}dd",
    "mx_rfc": "A{4}d{6}***", "my_nric": "d{6}-dd-d{4}", "nl_bsn": "d{9}", "nl_btw": "NLd{9}Bdd",
    "no_fodselsnummer": "d{11}", "no_kontonr": "d{11}", "npm_checksum": "npm_?{36}",
    "nz_bankaccount": "dd-d{4}-d{7}-dd", "nz_driver": "AAd{6}", "nz_ird": "d{9}",
    "nz_nhi": "AAAd{4}", "nz_social_welfare": "d{9}", "password_like": "?{10}",
    "password_value": "?{10}", "ph_umid": "d{12}", "phone": "ddd-ddd-dddd", "phone_e164": "+d{11}",
    "phone_nanp": "ddd-ddd-dddd", "pl_id_card": "AAAd{6}", "pl_nip": "d{10}",
    "pl_passport": "AAd{7}", "pl_pesel": "d{11}", "pl_regon": "d{9}", "pt_cc": "d{9}AAd",
    "pt_nif": "d{9}", "qa_id": "d{11}", "ro_cnp": "d{13}", "ru_inn": "d{10}",
    "sa_national_id": "d{10}", "se_personnummer": "d{6}-d{4}", "secret_like": "?{32}",
    "sg_nric": "Sd{7}A", "sg_uen": "d{8}A", "si_ddv": "d{8}", "si_emso": "d{13}",
    "sk_rc": "d{6}/d{4}", "th_pin": "d{13}", "token_shape": "?{32}", "tr_tckimlik": "d{11}", "tw_arc": "ACd{8}",
    "tw_id": "A1d{8}", "tw_ubn": "d{8}", "ua_rntrc": "d{10}", "url_password": "https://?{6}:?{10}@\\a{8}.com/",
    "us_dea": "AAd{7}", "us_ein": "dd-d{7}", "us_itin": "d{9}", "us_mbi": "dA*d-A*d-AAdd",
    "us_npi": "d{10}", "us_rtn": "d{9}", "us_ssn": "d{9}", "us_ssn_pre2011": "d{9}", "vin": "*{17}",
    "za_idnr": "d{13}", "keyed_token": "?{32}", "vendor_token": "sk_live_?{24}",
    "ar_cbu": "285d{19}", "ch_uid": "CHEd{9}", "cn_uscc": "91d{6}MA*{8}", "cusip": "d{9}",
    "dk_cvr": "d{8}", "ec_ruc": "179d{7}001", "eg_national": "2d{13}", "eu_vat": "LUd{8}",
    "fi_ytunnus": "d{7}-d", "gb_sedol": "*{6}d", "gt_nit": "d{7}-d", "id_npwp": "d{15}",
    "imsi": "d{15}", "ir_national": "d{10}", "isin": "US*{9}d", "kr_brn": "d{10}",
    "kz_iin": "d{12}", "lei": "*{18}dd", "mx_clabe": "d{18}", "no_orgnr": "9d{8}",
    "pe_ruc": "20d{9}", "pk_cnic": "d{5}-d{7}-d", "py_ruc": "d{8}-d", "ro_cui": "d{8}",
    "ru_ogrn": "1d{12}", "ru_snils": "d{11}", "se_orgnr": "d{6}-d{4}", "tr_vkn": "d{10}",
    "ua_edrpou": "d{8}", "uy_rut": "21d{6}001d", "ve_rif": "Vd{9}", "vn_mst": "d{10}",
}  # fmt: skip
_CLASSES = {
    "d": string.digits,
    "A": string.ascii_uppercase,
    "a": string.ascii_lowercase,
    "*": string.ascii_uppercase + string.digits,
    "?": string.ascii_letters + string.digits,
    "h": "0123456789abcdef",
}
_PART = re.compile(r"(\\?.)(?:\{(\d+)\})?")
_LITERAL_A = {"\\A": "A", "\\a": string.ascii_lowercase}
_ROW = re.compile(r"^\| `(\w+)` \|(.*)\|[^|]*\|$")


def draw(shape: str, rng: random.Random) -> str:
    """One random string of the shape."""
    drawn = []
    for part, count in _PART.findall(shape):
        pool = _LITERAL_A.get(part) or _CLASSES.get(part, part)
        drawn += rng.choices(pool, k=int(count or 1))
    return "".join(drawn)


def share(check: Validator, shape: str, rng: random.Random) -> float:
    """The share of SAMPLES random strings that the validator accepts."""
    return sum(check(draw(shape, rng)) for _ in range(SAMPLES)) / SAMPLES


def as_text(value: float) -> str:
    """A percentage with two figures that mean something."""
    if value == 0:
        return f"<{100 / SAMPLES:.2g} %"
    return f"{value:.1%}".replace("%", " %") if value >= 0.01 else f"{value * 100:.2g} %"


def measured() -> dict[str, str]:
    """Name of every validator with its share as text."""
    return {
        name: as_text(share(check, SHAPES[name], random.Random(f"{SEED}{name}")))
        for name, check in VALIDATORS.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="rewrite docs/validators.md")
    shares = measured()
    if not parser.parse_args().update:
        print("\n".join(f"{name:22}{SHAPES[name]:28}{text}" for name, text in shares.items()))
        return
    lines = []
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        row = _ROW.match(line)
        known = row is not None and row[1] in shares
        lines.append(f"| `{row[1]}` |{row[2]}| {shares[row[1]]} |" if row and known else line)
    DOCS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
