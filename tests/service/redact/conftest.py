"""A pack of three types, small enough to compile in no time; two that bring each other to light."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.sit import Pack
from dlpagent.evidence import Evidence
from dlpagent.ports import Classifier
from dlpagent.service.redact.operators import Cipher, Marks, Operator
from dlpagent.service.redact.rewriting import Redactor

CARD, MAIL, PIN = (f"00000000-0000-4000-8000-0000000000{end}" for end in ("aa", "bb", "cc"))
_SITS = {
    "card": f"""
id: {CARD}
name: Card
version: 1
parity: own
elements:
  card_number: {{regex: '\\b4[0-9]{{3}}(?:[ -]?[0-9]{{4}}){{3}}\\b'}}
  card_words: {{keywords: [card, payment]}}
patterns:
- {{confidence: 85, primary: card_number, match: [card_words]}}
- {{confidence: 65, primary: card_number}}
""",
    "mail": f"""
id: {MAIL}
name: E-mail
version: 1
parity: own
value: text
elements:
  mail: {{regex: '[a-zé]+@[a-z]+\\.(?:com|org)'}}
patterns:
- {{confidence: 75, primary: mail}}
""",
    "pin": f"""
id: {PIN}
name: PIN
version: 1
parity: own
elements:
  pin: {{regex: '\\b[0-9]{{4}}\\b'}}
  pin_near: {{regex: 'CARD'}}
patterns:
- {{confidence: 70, primary: pin, match: [pin_near]}}
""",
}


class Kit:
    """Makes redactors of one pack and one key."""

    def __init__(self, pack: Pack, classifier: Classifier) -> None:
        self.pack, self.classifier = pack, classifier
        self.marks = Marks(Evidence(b"k" * 32), Cipher(b"c" * 32))

    def redactor(
        self,
        operator: Operator = "mask",
        operators: dict[str, Operator] | None = None,
        min_confidence: int = 1,
    ) -> Redactor:
        """A redactor with its counts at nothing."""
        return Redactor(
            self.classifier, self.pack, self.marks, operator, operators or {}, min_confidence
        )


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    folder: Path = tmp_path_factory.mktemp("pack")
    for name, text in _SITS.items():
        (folder / f"{name}.yaml").write_text(text)
    pack = load_pack(folder)
    return Kit(pack, classifier_of(pack, Evidence(b"k" * 32)))
