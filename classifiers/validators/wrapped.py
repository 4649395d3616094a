"""Validators that ask python-stdnum, imported only when one of them is first called.

A validator here is valid when the module accepts the text as found, or with its separators taken
out (the regex of the SIT decides which separators are allowed; the check digits do not care).
Where a sign carries meaning (the century in Finnish and Swedish numbers) the text is left alone.
A text without a digit from 1 to 9 is never valid: all zeros passes most check digits and is never
issued.
Digits alone are mostly answered without asking (shortcuts.py).
"""

import re
from collections import Counter
from collections.abc import Callable
from importlib import import_module

from dlpagent.classifiers.validators.shortcuts import answer
from dlpagent.classifiers.validators.text import compact

FAILURES: Counter[str] = Counter()
"""How often a module raised instead of answering, by module; each time it means "not valid"."""

MODULES = {
    "ar_cbu": "ar.cbu",
    "ar_cuit": "ar.cuit",
    "ar_dni": "ar.dni",
    "at_tin": "at.tin",
    "at_uid": "at.uid",
    "at_vnr": "at.vnr",
    "au_abn": "au.abn",
    "au_acn": "au.acn",
    "be_bis": "be.bis",
    "be_nn": "be.nn",
    "be_vat": "be.vat",
    "bg_egn": "bg.egn",
    "br_cnpj": "br.cnpj",
    "br_cpf": "br.cpf",
    "ca_bc_phn": "ca.bc_phn",
    "ca_bn": "ca.bn",
    "ch_ssn": "ch.ssn",
    "ch_uid": "ch.uid",
    "cl_rut": "cl.rut",
    "cn_ric": "cn.ric",
    "cn_uscc": "cn.uscc",
    "co_nit": "co.nit",
    "cr_cpf": "cr.cpf",
    "cusip": "cusip",
    "cy_vat": "cy.vat",
    "cz_rc": "cz.rc",
    "de_idnr": "de.idnr",
    "de_vat": "de.vat",
    "dk_cpr": "dk.cpr",
    "dk_cvr": "dk.cvr",
    "do_cedula": "do.cedula",
    "ec_ci": "ec.ci",
    "ec_ruc": "ec.ruc",
    "ee_ik": "ee.ik",
    "es_ccc": "es.ccc",
    "es_cif": "es.cif",
    "es_dni": "es.dni",
    "es_nie": "es.nie",
    "es_nif": "es.nif",
    "eu_vat": "eu.vat",
    "fi_hetu": "fi.hetu",
    "fi_ytunnus": "fi.ytunnus",
    "fr_nif": "fr.nif",
    "fr_nir": "fr.nir",
    "fr_siren": "fr.siren",
    "fr_siret": "fr.siret",
    "fr_tva": "fr.tva",
    "gb_sedol": "gb.sedol",
    "gb_utr": "gb.utr",
    "gb_vat": "gb.vat",
    "gr_amka": "gr.amka",
    "gr_vat": "gr.vat",
    "gt_nit": "gt.nit",
    "hr_oib": "hr.oib",
    "hu_anum": "hu.anum",
    "id_nik": "id.nik",
    "id_npwp": "id.npwp",
    "ie_pps": "ie.pps",
    "il_idnr": "il.idnr",
    "imei": "imei",
    "imsi": "imsi",
    "in_aadhaar": "in_.aadhaar",
    "in_epic": "in_.epic",
    "in_gstin": "in_.gstin",
    "in_pan": "in_.pan",
    "is_kennitala": "is_.kennitala",
    "isin": "isin",
    "it_codicefiscale": "it.codicefiscale",
    "it_iva": "it.iva",
    "jp_cn": "jp.cn",
    "jp_in": "jp.in_",
    "kr_rrn": "kr.rrn",
    "lt_asmens": "lt.asmens",
    "lv_pvn": "lv.pvn",
    "mx_curp": "mx.curp",
    "mx_rfc": "mx.rfc",
    "my_nric": "my.nric",
    "nl_btw": "nl.btw",
    "no_fodselsnummer": "no.fodselsnummer",
    "no_kontonr": "no.kontonr",
    "no_orgnr": "no.orgnr",
    "nz_bankaccount": "nz.bankaccount",
    "nz_ird": "nz.ird",
    "pe_ruc": "pe.ruc",
    "pk_cnic": "pk.cnic",
    "pl_nip": "pl.nip",
    "pl_pesel": "pl.pesel",
    "pl_regon": "pl.regon",
    "pt_cc": "pt.cc",
    "pt_nif": "pt.nif",
    "py_ruc": "py.ruc",
    "ro_cnp": "ro.cnp",
    "ro_cui": "ro.cui",
    "ru_inn": "ru.inn",
    "ru_ogrn": "ru.ogrn",
    "se_orgnr": "se.orgnr",
    "se_personnummer": "se.personnummer",
    "sg_uen": "sg.uen",
    "si_ddv": "si.ddv",
    "si_emso": "si.emso",
    "sk_rc": "sk.rc",
    "th_pin": "th.pin",
    "tr_tckimlik": "tr.tckimlik",
    "tr_vkn": "tr.vkn",
    "tw_ubn": "tw.ubn",
    "ua_edrpou": "ua.edrpou",
    "ua_rntrc": "ua.rntrc",
    "us_ein": "us.ein",
    "uy_rut": "uy.rut",
    "ve_rif": "ve.rif",
    "vn_mst": "vn.mst",
    "za_idnr": "za.idnr",
}
_LONGEST = 128  # characters; no number with its separators comes near
_NOT_ZERO = re.compile("[1-9]")
_SIGN_HAS_MEANING = {"fi.hetu", "se.personnummer"}


def _ask(module: str) -> Callable[[str], bool]:
    """A validator that imports `module` at its first call; when that raises, it is "not valid"."""
    check: Callable[[str], bool] | None = None
    forgiving = module not in _SIGN_HAS_MEANING

    def accepts(text: str) -> bool:
        nonlocal check
        if len(text) > _LONGEST or not _NOT_ZERO.search(text):
            return False
        bare = compact(text) if forgiving else text
        known = answer(module, text, bare)
        if known is not None:
            return known
        if check is None:
            check = import_module(f"stdnum.{module}").is_valid
        try:
            if check(text):
                return True
            return bare != text and bool(check(bare))
        except Exception:  # noqa: BLE001 - cn.ric raises KeyError on plausible input
            FAILURES[module] += 1
            return False

    return accepts


VALIDATORS = {name: _ask(module) for name, module in MODULES.items()}
