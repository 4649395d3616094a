"""What numbers look like, how they are written, and the words people put before them.

A row: type as in map.json, validator, shape (as in secret_shapes.py), groups ("-3,2,4": separator and
sizes; "" is never grouped), and words for it, by comma.
"""

from __future__ import annotations

from collections.abc import Iterator

ROWS = """
ABA_ROUTING_NUMBER;us_rtn;d{9};;routing number,ABA routing,RTN,bank routing no
AR_CUIT;ar_cuit;<20>d{9};-2,8,1;CUIT,CUIL,número de CUIT
AT_VNR;at_vnr;d{10};;SVNR,Sozialversicherungsnummer,österreichische Versicherungsnummer
AU_ABN;au_abn;d{11}; 2,3,3,3;ABN,Australian Business Number
AU_TFN;au_tfn;d{9}; 3,3,3;TFN,tax file number
BE_NN;be_nn;d{11};;rijksregisternummer,numéro national,INSZ,NISS
BG_EGN;bg_egn;d{10};;ЕГН,единен граждански номер,EGN
BR_CNPJ;br_cnpj;d{14};;CNPJ,cadastro nacional da pessoa jurídica
BR_CPF;br_cpf;d{11};;CPF,número do CPF
CA_SIN;ca_sin;d{9}; 3,3,3;SIN,social insurance number,numéro d'assurance sociale,NAS
CH_AHV;ch_ssn;<756>d{10};;AHV-Nummer,numéro AVS,AHVN13
CL_RUT;cl_rut;d{8}d;-8,1;RUT,RUN,rol único tributario
CREDIT_CARD;credit_card;<4>d{15}; 4,4,4,4;credit card,Kreditkarte,carte bancaire,tarjeta de crédito,card number
CREDIT_CARD;credit_card;<2221>d{12};-4,4,4,4;mastercard,Kreditkartennummer,numéro de carte
CREDIT_CARD;credit_card;<34>d{13}; 4,6,5;American Express,amex card,card no
CZ_RC;cz_rc;d{6}d{4};/6,4;rodné číslo,RČ
DE_IDNR;de_idnr;d{11}; 2,3,3,3;Steuer-ID,Steueridentifikationsnummer,IdNr
DE_VAT;de_vat;<DE>d{9};;USt-IdNr,Umsatzsteuer-ID,VAT ID
DK_CPR;dk_cpr;d{6}d{4};-6,4;CPR-nummer,personnummer,CPR
EE_IK;ee_ik;d{11};;isikukood,Estonian personal code
ES_NIF;es_nif;d{8}A;-8,1;NIF,DNI,número de identificación fiscal
ES_NIF;es_nie;<X>d{7}A;-1,7,1;NIE,número de identidad de extranjero
FI_HETU;fi_hetu;d{6}<->d{3}*;;henkilötunnus,HETU,personbeteckning
FR_NIR;fr_nir;<2>d{14};;numéro de sécurité sociale,NIR,numéro INSEE
FR_SIREN;fr_siren;d{9}; 3,3,3;SIREN,numéro SIREN
FR_SIRET;fr_siret;d{14}; 3,3,3,5;SIRET,n° SIRET
GB_NINO;gb_nino;AAd{6}A; 2,2,2,2,1;NI number,national insurance number,NINO
GB_UTR;gb_utr;d{10}; 5,5;UTR,unique taxpayer reference
GB_VAT;gb_vat;<GB>d{9};;VAT number,VAT reg no
GR_VAT;gr_vat;d{9};;ΑΦΜ,AFM,αριθμός φορολογικού μητρώου
HR_OIB;hr_oib;d{11};;OIB,osobni identifikacijski broj
IBAN_CODE;iban;<DE>d{20}; 4,4,4,4,4,2;IBAN,Kontonummer,account
ID_NIK;id_nik;d{16};;NIK,nomor induk kependudukan,KTP
IE_PPS;ie_pps;d{7}A;;PPS number,PPSN
IL_IDNR;il_idnr;d{9};;תעודת זהות,מספר זהות,teudat zehut
IMEI;imei;<35>d{13};-2,6,6,1;IMEI,IMEI number
IN_AADHAAR;in_aadhaar;d{12}; 4,4,4;Aadhaar,Aadhaar number,UIDAI
IN_PAN;in_pan;AAA<P>Ad{4}A;;PAN,PAN card,permanent account number
IT_CODICEFISCALE;it_codicefiscale;A{6}dd<A>dd<A>dddA;;codice fiscale,C.F.
JP_MYNUMBER;jp_in;d{12}; 4,4,4;マイナンバー,個人番号,My Number
KR_RRN;kr_rrn;d{6}d{7};-6,7;주민등록번호,RRN
MX_CURP;mx_curp;AvAAd{6}<H><DF>c{3}dd;;CURP
MX_RFC;mx_rfc;AvAAd{6}*{2}d;;RFC,registro federal de contribuyentes
MY_NRIC;my_nric;d{6}ddd{4};-6,2,4;MyKad,NRIC,kad pengenalan
NL_BSN;nl_bsn;d{9};;BSN,burgerservicenummer,sofinummer
NO_FODSELSNUMMER;no_fodselsnummer;d{11}; 6,5;fødselsnummer,personnummer,fødselsnr
NZ_IRD;nz_ird;d{9};-3,3,3;IRD number,inland revenue number
PL_NIP;pl_nip;d{10};-3,3,2,2;NIP,numer identyfikacji podatkowej
PL_PESEL;pl_pesel;d{11};;PESEL,numer PESEL
PT_NIF;pt_nif;d{9}; 3,3,3;NIF,contribuinte,número de contribuinte
RO_CNP;ro_cnp;d{13};;CNP,cod numeric personal
RU_INN;ru_inn;d{12};;ИНН,идентификационный номер налогоплательщика
SE_PERSONNUMMER;se_personnummer;d{6}<->d{4};;personnummer,personnr
SG_UEN;sg_uen;d{8}A;;UEN,unique entity number
SI_EMSO;si_emso;d{13};;EMŠO,enotna matična številka občana
TH_PIN;th_pin;d{13};-1,4,5,2,1;เลขประจำตัวประชาชน,Thai ID,บัตรประชาชน
TR_TCKIMLIK;tr_tckimlik;d{11};;TC kimlik no,T.C. Kimlik Numarası,kimlik numarası
TW_UBN;tw_ubn;d{8};;統一編號,統編
UA_RNTRC;ua_rntrc;d{10};;РНОКПП,ІПН,ідентифікаційний код
UK_NHS;gb_nhs;d{10}; 3,3,4;NHS number,NHS no
US_EIN;us_ein;dd<->d{7};;EIN,federal tax ID,employer identification number
US_ITIN;us_itin;<9>d{8};-3,2,4;ITIN,individual taxpayer identification number
US_SSN;us_ssn;d{9};-3,2,4;SSN,social security number,social security no
VIN;vin;<1HG>w{9}wd{4};;VIN,chassis number,Fahrgestellnummer
ZA_IDNR;za_idnr;d{13}; 6,4,2,1;ID number,South African ID,RSA ID
"""

SENTENCES = (
    "{label}: {value}",
    "{label} {value}",
    '{{"name": "Jana", "{label}": "{value}"}}',
    "Bitte prüfen Sie die Angabe {label} {value} bis Freitag.",
    "The form asks for {label}; mine is {value}.",
    "Bonjour, mon {label} est le {value}, merci.",
    "id;{label};city\n7;{value};Porto",
    "{label}\n{value}",
    "**{label}:** {value}",
    "A: {label}?\nB: {value}",
    "{label}=({value})",
    "Hola, te paso el {label}: {value}. ¿Lo necesitas hoy?",
)

PHONE_ROWS = """
us  <(>[2-9]dd<) >[2-9]dd<->d{4}
us  [2-9]dd<->[2-9]dd<->d{4}
us  <+1 >[2-9]dd< >[2-9]dd< >d{4}
us  <1->[2-9]dd<->[2-9]dd<->d{4}< x>ddd
us  [2-9]dd<.>[2-9]dd<.>d{4}
uk  <020 7>ddd< >d{4}
uk  <+44 7>ddd< >d{6}
uk  <07>ddd< >ddd< >ddd
de  <+49 30 >d{7}
de  <0151 >d{8}
de  <030/>d{7}
de  <+49 (0)89 >d{6}
fr  <06 >dd< >dd< >dd< >dd
fr  <+33 6 >dd< >dd< >dd< >dd
es  <6>dd< >ddd< >ddd
es  <+34 6>dd< >dd< >dd< >dd
it  <+39 3>dd< >d{7}
it  <02 >d{8}
nl  <06->d{8}
nl  <+31 6 >d{8}
be  <0470 >dd< >dd< >dd
ch  <044 >ddd< >dd< >dd
ch  <+41 79 >ddd< >dd< >dd
at  <0664 >d{7}
pl  <+48 >ddd< >ddd< >ddd
se  <070->ddd< >dd< >dd
no  <+47 >ddd< >dd< >ddd
dk  <+45 >dd< >dd< >dd< >dd
fi  <040 >d{7}
pt  <9>dd< >ddd< >ddd
br  <+55 11 9>d{4}<->d{4}
br  <(11) 9>d{4}<->d{4}
mx  <+52 55 >d{4}< >d{4}
ar  <+54 9 11 >d{4}<->d{4}
in  <+91 9>d{4}< >d{5}
in  <9>d{9}
jp  <090->d{4}<->d{4}
jp  <+81 3->d{4}<->d{4}
cn  <138>d{8}
cn  <+86 139 >d{4}< >d{4}
kr  <010->d{4}<->d{4}
au  <04>dd< >ddd< >ddd
au  <+61 2 >d{4}< >d{4}
nz  <021 >ddd< >d{4}
za  <082 >ddd< >d{4}
tr  <+90 532 >ddd< >dd< >dd
ru  <+7 916 >ddd<->dd<->dd
ru  <8 (916) >ddd<->dd<->dd
ua  <+380 67 >ddd< >dd< >dd
il  <054->d{7}
ae  <+971 50 >ddd< >d{4}
sg  <+65 9>ddd< >d{4}
hk  <+852 9>ddd< >d{4}
ie  <087 >ddd< >d{4}
cz  <+420 >ddd< >ddd< >ddd
hu  <+36 30 >ddd< >d{4}
ro  <07>dd< >ddd< >ddd
gr  <+30 69>d{8}
"""

PHONE_SENTENCES = (
    "My phone number is {value}.",
    "Call me at {value} after lunch",
    "Tel: {value}",
    "{value} (mobile)",
    "Ruf mich bitte unter {value} an.",
    "Mon numéro : {value}",
    "Llámame al {value}",
    "reach support on {value} or by mail",
    '{{"name": "Jana", "phone": "{value}"}}',
    "name,phone,city\nJana,{value},Porto",
    "Fax {value} / Zimmer 12",
    "You can text {value} any time",
    "Kontakt: Jana, {value}",
    "WhatsApp {value}",
)


def rows() -> Iterator[tuple[str, str, str, str, tuple[str, ...]]]:
    """Type, validator, shape, groups and words of every row."""
    for row in ROWS.strip().splitlines():
        kind, name, shape, spelling, labels = row.split(";")
        yield kind, name, shape, spelling, tuple(labels.split(","))


def phones() -> Iterator[tuple[str, str]]:
    """Country and shape of every way to write a telephone number."""
    for row in PHONE_ROWS.strip().splitlines():
        country, shape = row.split(None, 1)
        yield country, shape.replace("[2-9]", "x")
