"""Rule packages for tests, as a tenant would export or an author would write them."""

# ruff: noqa: E501 - one element a line, as in the files

from __future__ import annotations

from pathlib import Path

from dlpagent.classifiers.sit import Expression, Group, Keyword, Pack, Regex, Term, ValidatorSpec
from dlpagent.findings import PackRef

BASE = Pack(
    ref=PackRef("9a3c1c7e-0000-4000-8000-000000000001", "1.0.0.0", ""),
    name="base",
    publisher="test",
    profile="extended",
    sits={},
    elements={
        "Func_credit_card": Regex(
            "Func_credit_card",
            (Expression(r"\d{16}"), Expression(r"\d{19}", "ours")),
            (ValidatorSpec("credit_card"),),
            function=True,
        ),
        "Func_iban": Regex(
            "Func_iban", (Expression(r"[A-Z]{2}\d{20}"),), (ValidatorSpec("iban"),), function=True
        ),
        "Keyword_cc_name": Keyword(
            "Keyword_cc_name",
            (Group("word", (Term("visa"),)), Group("word", (Term("maestro"),), "ours")),
        ),
    },
)
"""A small stand-in for the built-in pack."""

CONTOSO = """<?xml version="1.0" encoding="utf-16"?>
<RulePackage xmlns="http://schemas.microsoft.com/office/2011/mce">
  <RulePack id="b4f1c1a0-1111-4222-8333-000000000001">
    <Version major="2" minor="3" build="4" revision="5" />
    <Publisher id="b4f1c1a0-1111-4222-8333-000000000002" />
    <Details defaultLangCode="en-us">
      <LocalizedDetails langcode="en-us">
        <PublisherName>Contoso</PublisherName>
        <Name>Contoso types</Name>
        <Description>Types of Contoso &amp; its daughters.</Description>
      </LocalizedDetails>
      <LocalizedDetails langcode="de-de">
        <PublisherName>Contoso</PublisherName>
        <Name>Contoso-Typen</Name>
        <Description>Typen von Contoso.</Description>
      </LocalizedDetails>
    </Details>
    <Encryption><Key>a</Key><IV>b</IV></Encryption>
  </RulePack>
  <Rules>
    <Entity id="B4F1C1A0-1111-4222-8333-00000000000A" patternsProximity="300" recommendedConfidence="75" workload="Exchange" relaxProximity="true" filters="Filters_own">
      <Pattern confidenceLevel="85" proximity="50">
        <IdMatch idRef="Regex_badge" />
        <Match idRef="Keyword_badge" minCount="2" uniqueResults="true" proximity="unlimited" />
        <Any minMatches="0" maxMatches="0">
          <Match idRef="Keyword_test" />
        </Any>
      </Pattern>
      <Pattern confidenceLevel="75" filters="Filters_own">
        <IdMatch idRef="Regex_badge" />
        <Any minMatches="1">
          <Match idRef="Keyword_badge" />
          <Any minMatches="2" maxMatches="3">
            <Match idRef="Func_credit_card" />
            <Match idRef="Keyword_cc_name" />
            <Match idRef="b4f1c1a0-1111-4222-8333-0000000000dd" minCount="0" />
          </Any>
        </Any>
        <Match idRef="Keyword_badge" />
      </Pattern>
      <Version minEngineVersion="15.1.0.0">
        <Pattern confidenceLevel="65"><IdMatch idRef="Regex_card" /></Pattern>
      </Version>
    </Entity>
    <Version minEngineVersion="15.0.1.0">
      <Entity id="b4f1c1a0-1111-4222-8333-00000000000b" patternsProximity="unlimited" recommendedConfidence="65">
        <Pattern confidenceLevel="65"><IdMatch idRef="Keyword_test" /></Pattern>
      </Entity>
    </Version>
    <Affinity id="b4f1c1a0-1111-4222-8333-00000000000c" evidencesProximity="600" thresholdConfidenceLevel="65">
      <Evidence confidenceLevel="65"><Match idRef="Keyword_test" /></Evidence>
    </Affinity>
    <Regex id="Regex_badge" validators="Validators_badge Func_iban Func_not_known_here">[A-Z]{2}-&lt;\\d{6}&gt; &amp; more</Regex>
    <Regex id="Regex_card" validators="Func_credit_card">\\d{16}</Regex>
    <Keyword id="Keyword_badge">
      <Group matchStyle="word"><Term>badge &amp; card</Term><Term caseSensitive="true">ID</Term></Group>
      <Group matchStyle="string"><Term>社員番号</Term></Group>
    </Keyword>
    <Keyword id="Keyword_test"><Group matchStyle="word"><Term>test</Term></Group></Keyword>
    <Keyword id="Keyword_unused"><Group matchStyle="word"><Term>unused</Term></Group></Keyword>
    <Fingerprint id="Print_1" threshold="50" shingleCount="50">abc</Fingerprint>
    <ExtendedKeyword id="More_1">terms</ExtendedKeyword>
    <Validators id="Validators_badge">
      <Validator type="Checksum">
        <Param name="Weights">2, 3, 4, 5, 6, 0</Param>
        <Param name="Mod">11</Param>
        <Param name="CheckDigit">6</Param>
        <Param name="AllowAlphabets">1</Param>
      </Validator>
      <Validator type="DateSimple"><Param name="Pattern">DDMMYYYY</Param></Validator>
    </Validators>
    <Filters id="Filters_own">
      <Filter type="AllDigitsSameFilter" />
      <Filter type="TextMatchFilter" direction="StartsWith" logic="Exclude" textProcessorId="Keyword_test" />
    </Filters>
    <LocalizedStrings>
      <Resource idRef="b4f1c1a0-1111-4222-8333-00000000000a">
        <Name default="true" langcode="en-us">Contoso badge</Name>
        <Name default="false" langcode="de-de">Contoso-Ausweis</Name>
        <Description default="true" langcode="en-us">The number on a badge.</Description>
      </Resource>
      <Resource idRef="b4f1c1a0-1111-4222-8333-00000000000b">
        <Name default="true" langcode="en-us">Contoso test</Name>
        <Description default="true" langcode="en-us">A test word.</Description>
      </Resource>
      <Resource idRef="b4f1c1a0-1111-4222-8333-00000000000c">
        <Name default="true" langcode="en-us">Contoso paper</Name>
        <Description default="true" langcode="en-us">A kind of document.</Description>
      </Resource>
    </LocalizedStrings>
  </Rules>
</RulePackage>
"""

EDM = """<RulePackage xmlns="http://schemas.microsoft.com/office/2018/edm">
  <RulePack id="b4f1c1a0-1111-4222-8333-0000000000e1">
    <Version major="1" minor="0" build="0" revision="0" />
    <Publisher id="b4f1c1a0-1111-4222-8333-0000000000e2" />
    <Details defaultLangCode="en-us"><LocalizedDetails langcode="en-us">
      <PublisherName>Contoso</PublisherName><Name>Members</Name><Description>Members.</Description>
    </LocalizedDetails></Details>
  </RulePack>
  <Rules>
    <ExactMatch id="b4f1c1a0-1111-4222-8333-0000000000ea" patternsProximity="300" dataStore="Members" recommendedConfidence="65">
      <Pattern confidenceLevel="75">
        <idMatch matches="Number" classification="Contoso badge" />
        <Any minMatches="2" maxMatches="3"><match matches="Name" /><match matches="Town" /></Any>
      </Pattern>
    </ExactMatch>
    <LocalizedStrings>
      <Resource idRef="b4f1c1a0-1111-4222-8333-0000000000ea">
        <Name default="true" langcode="en-us">Contoso member</Name>
        <Description default="true" langcode="en-us">A member.</Description>
      </Resource>
    </LocalizedStrings>
  </Rules>
</RulePackage>
"""

SMALL = """<?xml version="1.0" encoding="utf-8"?>
<RulePackage xmlns="http://schemas.microsoft.com/office/2011/mce">
  <RulePack id="b4f1c1a0-1111-4222-8333-0000000000f1">
    <Version major="1" minor="0" build="0" revision="0"/>
    <Publisher id="b4f1c1a0-1111-4222-8333-0000000000f2"/>
    <Details defaultLangCode="en-us">
      <LocalizedDetails langcode="en-us">
        <PublisherName>Contoso</PublisherName><Name>Small</Name><Description>Small.</Description>
      </LocalizedDetails>
    </Details>
  </RulePack>
  <Rules>
    <Entity id="b4f1c1a0-1111-4222-8333-0000000000fa" patternsProximity="300" recommendedConfidence="75">
      <Pattern confidenceLevel="85">
        <IdMatch idRef="Regex_order"/>
        <Any minMatches="1"><Match idRef="Keyword_order" minCount="1"/><Match idRef="Func_iban"/></Any>
      </Pattern>
      <Pattern confidenceLevel="75">
        <IdMatch idRef="Regex_order"/>
      </Pattern>
    </Entity>
    <Regex id="Regex_order" validators="Checks">PO-\\d{6}</Regex>
    <Keyword id="Keyword_order">
      <Group matchStyle="word"><Term caseSensitive="false">order</Term><Term>purchase</Term></Group>
    </Keyword>
    <Validators id="Checks">
      <Validator type="Checksum"><Param name="Weights">1, 2, 3</Param><Param name="Mod">10</Param><Param name="CheckDigit">3</Param></Validator>
    </Validators>
    <LocalizedStrings>
      <Resource idRef="b4f1c1a0-1111-4222-8333-0000000000fa">
        <Name default="true" langcode="en-us">Order number</Name>
        <Description default="true" langcode="en-us">An order.</Description>
      </Resource>
    </LocalizedStrings>
  </Rules>
</RulePackage>
"""


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """The package as a file; utf-16 as a tenant writes it."""
    path.write_bytes(text.encode(encoding))
    return path
