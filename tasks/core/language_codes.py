"""Codes of languages (ISO 639-1), and what is written in their place."""

from __future__ import annotations

import re

# Each code with the language's English name; of several names the others follow a slash.
_NAMES = """
aa Afar|ab Abkhazian|ae Avestan|af Afrikaans|ak Akan|am Amharic|an Aragonese|ar Arabic|as Assamese
av Avaric|ay Aymara|az Azerbaijani|ba Bashkir|be Belarusian|bg Bulgarian|bi Bislama|bm Bambara
bn Bengali/Bangla|bo Tibetan|br Breton|bs Bosnian|ca Catalan|ce Chechen|ch Chamorro|co Corsican
cr Cree|cs Czech|cu Church Slavic|cv Chuvash|cy Welsh|da Danish|de German|dv Divehi/Maldivian
dz Dzongkha|ee Ewe|el Greek|en English|eo Esperanto|es Spanish/Castilian|et Estonian|eu Basque
fa Persian/Farsi|ff Fulah|fi Finnish|fj Fijian|fo Faroese|fr French|fy Western Frisian|ga Irish
gd Scottish Gaelic|gl Galician|gn Guarani|gu Gujarati|gv Manx|ha Hausa|he Hebrew|hi Hindi
ho Hiri Motu|hr Croatian|ht Haitian Creole/Haitian|hu Hungarian|hy Armenian|hz Herero
ia Interlingua|id Indonesian|ie Interlingue|ig Igbo|ii Sichuan Yi|ik Inupiaq|io Ido|is Icelandic
it Italian|iu Inuktitut|ja Japanese|jv Javanese|ka Georgian|kg Kongo|ki Kikuyu|kj Kuanyama
kk Kazakh|kl Kalaallisut/Greenlandic|km Khmer|kn Kannada|ko Korean|kr Kanuri|ks Kashmiri
ku Kurdish|kv Komi|kw Cornish|ky Kyrgyz|la Latin|lb Luxembourgish|lg Ganda|li Limburgish
ln Lingala|lo Lao|lt Lithuanian|lu Luba-Katanga|lv Latvian|mg Malagasy|mh Marshallese|mi Maori
mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay|mt Maltese|my Burmese|na Nauru
nb Norwegian Bokmål|nd North Ndebele|ne Nepali|ng Ndonga|nl Dutch/Flemish|nn Norwegian Nynorsk
no Norwegian|nr South Ndebele|nv Navajo|ny Nyanja/Chichewa|oc Occitan|oj Ojibwa|om Oromo
or Odia/Oriya|os Ossetian|pa Punjabi/Panjabi|pi Pali|pl Polish|ps Pashto|pt Portuguese|qu Quechua
rm Romansh|rn Rundi|ro Romanian|ru Russian|rw Kinyarwanda|sa Sanskrit|sc Sardinian|sd Sindhi
se Northern Sami|sg Sango|si Sinhala/Sinhalese|sk Slovak|sl Slovenian/Slovene|sm Samoan|sn Shona
so Somali|sq Albanian|sr Serbian|ss Swati|st Southern Sotho|su Sundanese|sv Swedish|sw Swahili
ta Tamil|te Telugu|tg Tajik|th Thai|ti Tigrinya|tk Turkmen|tl Tagalog/Filipino|tn Tswana|to Tonga
tr Turkish|ts Tsonga|tt Tatar|tw Twi|ty Tahitian|ug Uyghur|uk Ukrainian|ur Urdu|uz Uzbek|ve Venda
vi Vietnamese|vo Volapük|wa Walloon|wo Wolof|xh Xhosa|yi Yiddish|yo Yoruba|za Zhuang|zh Chinese
zu Zulu
"""
_BY_CODE = {
    code: name.casefold().split("/")
    for code, name in (entry.split(" ", 1) for entry in re.split(r"[|\n]", _NAMES.strip()))
}
CODES = frozenset(_BY_CODE)
_BY_NAME = {name: code for code, names in _BY_CODE.items() for name in names}
# The codes that three languages had before 1989, which X still writes; and countries' codes, where
# they are no language's. `kr` is Kanuri's, which X does not know, and hardly ever meant.
_BY_OTHER_CODE = {
    "in": "id",
    "iw": "he",
    "ji": "yi",
    "jp": "ja",
    "cn": "zh",
    "kr": "ko",
    "gr": "el",
    "ua": "uk",
    "cz": "cs",
    "dk": "da",
}


def language_code(text: str) -> str | None:
    """The code of a language that a code, with or without a region, or an English name names.

    None for what is neither, such as X's codes for posts without words.
    """
    plain = text.strip().casefold().replace("_", "-")
    if plain in _BY_NAME:
        return _BY_NAME[plain]
    primary = plain.split("-")[0]
    code = _BY_OTHER_CODE.get(primary, primary)
    return code if code in CODES else None
