"""Files made to hurt whoever reads them, from a seed: bombs, lies, loops, damage.

Each maker gives bytes for a random generator. Nothing here is meant to be unpacked to disk.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.connectors.documents import hostile_mails as mails
from tests.connectors.documents import hostile_office as office
from tests.connectors.documents import hostile_pdf as pdfs
from tests.connectors.documents import hostile_tars as tars
from tests.connectors.documents import hostile_texts as texts
from tests.connectors.documents import hostile_zips as zips
from tests.connectors.documents.hostile_damage import Maker, cut, damaged, shuffled


@dataclass(frozen=True)
class Hostile:
    """A kind of hostile file. reported: something of it cannot be read, and must be told.

    weight: how often it comes among many; heavy ones come seldom.
    """

    name: str
    suffix: str
    make: Maker
    reported: bool = True
    weight: int = 4


def hostile_files(seed: int, count: int) -> Iterator[tuple[Hostile, bytes]]:
    """Every kind once, then more of them by weight."""
    chance = random.Random(seed)
    kinds = list(KINDS)
    for number in range(count):
        if number < len(kinds):
            kind = kinds[number]
        else:
            kind = chance.choices(kinds, [one.weight for one in kinds])[0]
        yield kind, kind.make(random.Random(f"{seed} {kind.name} {number}"))


# Damage that zips and packed files reveal by checksums may also hit what nobody reads.
_SUFFIXES = ("docx", "xlsx", "pptx", "pdf", "eml", "msg", "odt")

KINDS: tuple[Hostile, ...] = (
    Hostile("zip bomb", ".zip", zips.zip_bomb, weight=1),
    Hostile("zip bomb of many", ".zip", zips.zip_bomb_of_many, weight=1),
    Hostile("zip of zips", ".zip", zips.zip_of_zips, weight=1),
    Hostile("zip very deep", ".zip", zips.zip_very_deep),
    Hostile("zip overlapping", ".zip", zips.zip_overlapping),
    Hostile("zip lying sizes", ".zip", zips.zip_lying_sizes),
    Hostile("zip hostile names", ".zip", zips.zip_hostile_names),
    Hostile("zip links", ".zip", zips.zip_links),
    Hostile("zip protected", ".zip", zips.zip_protected),
    Hostile("zip many entries", ".zip", zips.zip_many_entries, weight=1),
    Hostile("zip odd methods", ".zip", zips.zip_odd_methods),
    Hostile("zip lost directory", ".zip", zips.zip_lost_directory),
    Hostile("zip two ends", ".zip", zips.zip_two_ends, reported=False),
    Hostile("zip in garbage", ".zip", zips.zip_in_garbage),
    Hostile("tar hostile", ".tar", tars.tar_hostile),
    Hostile("tar lying size", ".tar", tars.tar_lying_size),
    Hostile("tar big headers", ".tar", tars.tar_big_headers),
    *(Hostile(f"{k} bomb", f".txt.{k}", tars.packed_bomb(k), weight=1) for k in ("gz", "bz2", "xz", "zst")),
    Hostile("packed damaged", ".bin", tars.packed_damaged),
    Hostile("gzip very deep", ".gz", tars.gzip_very_deep),
    Hostile("zstd window", ".zst", tars.zstd_window),
    Hostile("xml entities", ".docx", office.xml_entities),
    Hostile("xml deep", ".docx", office.xml_deep),
    Hostile("xml huge", ".docx", office.xml_huge, weight=1),
    Hostile("xml bomb part", ".docx", office.xml_bomb_part, weight=1),
    Hostile("xml bad encoding", ".docx", office.xml_bad_encoding),
    Hostile("xlsx loops", ".xlsx", office.xlsx_loops),
    Hostile("docx in docx", ".docx", office.docx_in_docx),
    *(Hostile(f"{s} damaged", f".{s}", damaged(s), False, 6) for s in _SUFFIXES),
    *(Hostile(f"{s} cut", f".{s}", cut(s), s != "pdf", 5) for s in _SUFFIXES),
    *(Hostile(f"{s} shuffled", f".{s}", shuffled(s), False, 5) for s in _SUFFIXES),
    Hostile("pdf page counts", ".pdf", pdfs.pdf_page_counts, False),
    Hostile("pdf page loop", ".pdf", pdfs.pdf_page_loop, False),
    Hostile("pdf bomb", ".pdf", pdfs.pdf_bomb, False, 1),
    Hostile("pdf deep", ".pdf", pdfs.pdf_deep, False),
    Hostile("pdf loops", ".pdf", pdfs.pdf_loops, False),
    Hostile("pdf many pages", ".pdf", pdfs.pdf_many_pages, weight=1),
    Hostile("mail many parts", ".eml", mails.mail_many_parts, weight=1),
    Hostile("mail deep", ".eml", mails.mail_deep),
    Hostile("mail in mail", ".eml", mails.mail_in_mail),
    Hostile("mail headers", ".eml", mails.mail_headers, False, 2),
    Hostile("mail attachments", ".eml", mails.mail_attachments),
    Hostile("mail broken", ".eml", mails.mail_broken, False),
    Hostile("html hostile", ".html", texts.html_hostile, False, 3),
    Hostile("rtf hostile", ".rtf", texts.rtf_hostile, False),
    Hostile("compound hostile", ".msg", texts.compound_hostile, False),
    Hostile("magic and noise", ".dat", texts.magic_and_noise),
    Hostile("text long line", ".txt", texts.text_long_line, False, 0),
    Hostile("json long line", ".jsonl", texts.json_long_line, False, 0),
    Hostile("json deep", ".json", texts.json_deep, False),
    Hostile("jsonl deep", ".jsonl", texts.jsonl_deep),
    Hostile("json surrogates", ".jsonl", texts.json_surrogates, False),
    Hostile("json numbers", ".jsonl", texts.json_numbers, False),
    Hostile("csv hostile", ".csv", texts.csv_hostile, False, 1),
)  # fmt: skip
