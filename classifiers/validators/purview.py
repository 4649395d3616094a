"""The built-in functions that Purview lets a rule package name in `<Regex validators="...">`."""

from collections.abc import Mapping
from types import MappingProxyType

# Source: Microsoft, "Sensitive information type functions" (2021), the rows marked as validators.
# Func_usa_uk_passport (nine digits, no rule) has no counterpart: its regex says all there is.
FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "Func_Turkish_National_Id": "tr_tckimlik",
        "Func_aba_routing": "us_rtn",
        "Func_australian_tax_file_number": "au_tfn",
        "Func_brazil_cnpj": "br_cnpj",
        "Func_brazil_cpf": "br_cpf",
        "Func_canadian_sin": "ca_sin",
        "Func_credit_card": "credit_card",
        "Func_dea_number": "us_dea",
        "Func_dea_number_v2": "us_dea",
        "Func_eu_date": "date_eu",
        "Func_expiration_date": "expiration_date",
        "Func_formatted_itin": "us_itin",
        "Func_iban": "iban",
        "Func_india_aadhaar": "in_aadhaar",
        "Func_japanese_my_number_corporate": "jp_cn",
        "Func_japanese_my_number_personal": "jp_in",
        "Func_netherlands_bsn": "nl_bsn",
        "Func_randomized_formatted_ssn": "us_ssn",
        "Func_randomized_unformatted_ssn": "us_ssn",
        "Func_south_africa_identification_number": "za_idnr",
        "Func_ssn": "us_ssn_pre2011",
        "Func_swedish_national_identifier": "se_personnummer",
        "Func_uk_nhs_number": "gb_nhs",
        "Func_unformatted_itin": "us_itin",
        "Func_unformatted_ssn": "us_ssn_pre2011",
        "Func_us_date": "date_us",
    }
)
"""Name of Purview's function -> name of our validator."""
