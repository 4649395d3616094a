"""Writes fresh labelled texts that no rule was written against: other values, sentences, languages.

    python benchmarks/quality/held_out.py FOLDER [--seed N]

FOLDER gets secrets.jsonl, numbers.jsonl and phones.jsonl in the form of docs/eval.md, with look-alikes
that must not be found. Every seed gives other texts. Judge them with

    dlpagent eval FOLDER --map benchmarks/quality/map.json

The formats are those their issuers publish (secret_shapes.py, number_shapes.py); values are random.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent.parent))

import number_shapes  # noqa: E402
import secret_shapes  # noqa: E402

from dlpagent.classifiers.validators import VALIDATORS  # noqa: E402

SEED = 2027
PER_FORMAT = 4
TRIES = 20_000

KEYED = (
    "{key}={value}\n",
    "export {key}='{value}'",
    '{low}: "{value}"\nregion: eu-west-1',
    '{{"service": "shop", "{low}": "{value}", "retries": 3}}',
    'client = Client({low}="{value}", timeout=10)',
    "docker run -e {key}={value} registry.example/shop:2.1",
    "[prod]\n{low} = {value}\nregion = fra1",
    "curl -H 'Authorization: Bearer {value}' https://api.shop.example/v1/orders",
    "https://api.shop.example/v2/items?{low}={value}&page=3",
    "hi, the {words} for the staging shop is {value} - please rotate it on Monday",
    "Hallo Jana, {words} lautet {value}, bitte nicht weitergeben.",
    "Voici {words} : `{value}` (à changer demain)",
    "const {camel} = '{value}';",
    "| {words} | {value} |\n| host | db1 |",
    '<add key="{camel}" value="{value}" />',
    "- name: {key}\n  value: {value}\n",
)
BARE = (
    "deploy failed with {value} in the log",
    "paste from the old wiki: {value}",
    "User: what is {value}?\nAssistant: That looks like a credential.",
    "['{value}', 'eu-west-1']",
)
STAND_INS = (
    "{key}=your_{low}_here", "{key}=<{low}>", "{low}: ${{{key}}}", '{{"{low}": "********"}}',
    "{key}={{{{ secrets.{key} }}}}", "export {key}=xxxxxxxxxxxxxxxxxxxxxxxx", "{low} = os.environ['{key}']",
    '"{low}": "CHANGE_ME"', "{key}=$(vault read -field=value secret/{low})", "{low}: REDACTED",
    "{key}=EXAMPLE1234567890EXAMPLE", "const {camel} = process.env.{key};", "{low}=%s", "{key}=null",
)  # fmt: skip
PASSWORDS = (
    'password = "{}"', "DB_PASSWORD={}", "mysql -u shop -p{} orders", "postgres://shop:{}@db1.shop.example/orders",
    "passwd: '{}'", '{{"user": "jana", "password": "{}"}}', "Das Passwort für den Drucker ist {}",
    "the wifi password is {} btw", "mot de passe : {}", "<password>{}</password>", "sshpass -p {} ssh root@db1",
    "Server=db1;Database=shop;User Id=sa;Password={};", "La contraseña es {}", "https://jana:{}@git.shop.example/shop.git",
    "smtp_pass={}", "conn.login('jana', password='{}')",
)  # fmt: skip
_POOLS = {
    "d": "0123456789", "a": "abcdefghijklmnopqrstuvwxyz", "A": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "*": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "h": "0123456789abcdef", "%": "0123456789abcdefghijklmnopqrstuvwxyz",
    "^": "234567ABCDEFGHIJKLMNOPQRSTUVWXYZ", "!": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}  # fmt: skip
_POOLS |= {
    "x": "23456789",
    "v": "AEIOU",
    "c": "BCDFGHJKLMNPQRSTVWXYZ",
    "w": "0123456789ABCDEFGHJKLMNPRSTUVWXYZ",
}
_POOLS["?"] = _POOLS["a"] + _POOLS["A"] + _POOLS["d"]
_POOLS["-"] = _POOLS["?"] + "-_"


def draw(shape: str, rng: random.Random) -> str:
    """One random string of the shape (secret_shapes.py says what its signs mean)."""
    drawn = ""
    at = 0
    while at < len(shape):
        if shape[at] == "<":
            end = shape.index(">", at)
            drawn, at = drawn + shape[at + 1 : end], end + 1
            continue
        sign, at, count = shape[at], at + 1, 1
        if at < len(shape) and shape[at] == "{":
            end = shape.index("}", at)
            count, at = int(shape[at + 1 : end]), end + 1
        drawn += "".join(rng.choices(_POOLS.get(sign, sign), k=count))
    return drawn


def document(
    ident: str, source: str, text: str, value: str, kind: str, **more: Any
) -> dict[str, Any]:
    """A line of a corpus: every place of the value is labelled, or a look-alike with lure=True."""
    places, at = [], text.find(value)
    while value and at >= 0:
        places.append({"start": at, "end": at + len(value), "type": kind})
        at = text.find(value, at + len(value))
    spans, lures = ([], places) if more.pop("lure", False) else (places, [])
    return {
        "id": ident,
        "source": source,
        "lang": "und",
        "text": text,
        "spans": spans,
        "decoys": lures,
        **more,
    }


def secrets(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Tokens behind their names, tokens alone where the format has a prefix, passwords, stand-ins."""
    for row in secret_shapes.SHAPES.strip().splitlines():
        vendor, shape, key = row.split()
        names = {"key": key.upper(), "low": key.lower(), "words": key.lower().replace("_", " "),
                 "camel": "".join(part.title() for part in key.lower().split("_"))}  # fmt: skip
        forms = [(form, "keyed") for form in rng.sample(KEYED, PER_FORMAT)]
        if "<" in shape.split("{")[0]:
            forms += [(form, "bare") for form in rng.sample(BARE, 2)]
        for number, (form, mode) in enumerate(forms):
            value = draw(shape, rng)
            text = form.format(value=value, **names)
            yield document(
                f"{vendor}/{number}", "held_out_secrets", text, value, "SECRET", mode=mode
            )
        for number, form in enumerate(rng.sample(STAND_INS, 2)):
            text = form.format(**names)
            yield document(
                f"{vendor}/lure{number}",
                "held_out_secrets",
                text,
                text,
                "SECRET",
                mode="stand-in",
                lure=True,
            )
    for number in range(len(PASSWORDS) * 4):
        value = password(rng)
        text = PASSWORDS[number % len(PASSWORDS)].format(value)
        yield document(
            f"password/{number}", "held_out_secrets", text, value, "SECRET", mode="password"
        )


def password(rng: random.Random) -> str:
    """What people choose: a word or two with digits and signs, or random characters."""
    words = (
        "Sommer",
        "falcon",
        "Blue",
        "winter",
        "Kaffee",
        "tiger",
        "Lisboa",
        "roter",
        "maple",
        "Orbit",
    )
    if rng.random() < 0.4:
        return draw("?{9}", rng) + rng.choice("!#%*+") + str(rng.randrange(10))
    return (
        rng.choice(words)
        + rng.choice(words).lower()
        + rng.choice("-_!.")
        + str(rng.randrange(10, 2030))
    )


def numbers(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Numbers the validators accept behind local words, and with a wrong check as look-alikes."""
    for row, (kind, name, shape, spelling, labels) in enumerate(number_shapes.rows()):
        check = VALIDATORS[name]
        for place in range(PER_FORMAT * 2):
            lure = place >= PER_FORMAT + 1
            value = next(
                (v for v in (draw(shape, rng) for _ in range(TRIES)) if check(v) != lure), ""
            )
            if not value:
                continue
            shown = spelled(value, spelling, rng)
            form = rng.choice(number_shapes.SENTENCES)
            text = form.format(label=rng.choice(labels), value=shown)
            yield document(
                f"{kind}/{row}/{place}",
                "held_out_numbers",
                text,
                shown,
                kind,
                mode="ctx",
                lure=lure,
            )


def spelled(value: str, spelling: str, rng: random.Random) -> str:
    """The value as it is, or in groups ("3 3 3" with the separator before the sizes)."""
    if not spelling or rng.random() < 0.5:
        return value
    separator, sizes = spelling[0], [int(size) for size in spelling[1:].split(",")]
    parts, at = [], 0
    for size in sizes:
        parts.append(value[at : at + size])
        at += size
    return separator.join(parts) if sum(sizes) == len(value) else value


def phones(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Telephone numbers of many countries, national and international, in sentences."""
    for number, (country, shape) in enumerate(number_shapes.phones()):
        for place in range(PER_FORMAT):
            value = draw(shape, rng)
            text = rng.choice(number_shapes.PHONE_SENTENCES).format(value=value)
            yield document(
                f"{country}/{number}/{place}",
                "held_out_phones",
                text,
                value,
                "PHONE_NUMBER",
                mode="ctx",
            )


def write(folder: Path, seed: int = SEED) -> None:
    """secrets.jsonl, numbers.jsonl and phones.jsonl in the folder, made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in (("secrets", secrets), ("numbers", numbers), ("phones", phones)):
        rng = random.Random(f"{name} {seed}")
        lines = [json.dumps(line, ensure_ascii=False) for line in make(rng)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    write(asked.folder, asked.seed)


if __name__ == "__main__":
    main()
