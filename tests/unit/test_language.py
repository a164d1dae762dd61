"""Languages: a region is never another language, and each format gets the code it can hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dubcli import language
from dubcli.settings.config import RemuxSettings


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("dub_fr", "fr"), ("dub-FRA", "fr"), ("dub_fre", "fr"), ("dub_ger_v2", "de"), ("film.en.fr", "fr"),
        ("dub_fr-CA", "fr-CA"), ("dub_es-AR", "es-AR"), ("dub_pt_BR", "pt-BR"), ("dub_pt_br", "pt-BR"),
        ("dub_fr_ca", "fr-CA"), ("film.zh-Hant", "zh-Hant"), ("film.zh-Hant-TW", "zh-Hant-TW"),
        ("dub_sr_Latn_RS", "sr-Latn-RS"), ("dub_es-419", "es-419"), ("dub_es_419", "es-419"),
        ("dub_sv-FI", "sv-FI"), ("dub_nl-BE", "nl-BE"), ("dub_de-CH", "de-CH"), ("dub_EN_US_final", "en-US"),
        ("dub_en_003", "en"), ("fr_51_take_2", "fr"), ("dub_no", "no"),
        ("dub_nb-NO", "nb-NO"), ("dub_mlt", "mt"),
        ("dub_fr_v3_no_fx", "fr"), ("de_how_it_is", "de"), ("film_it", "it"), ("my_dub", ""), ("so_far", ""),
        ("French dub", "fr"), ("Tonspur_deutsch", "de"), ("Film Franc\u0327ais v2", "fr"), ("Türkçe", "tr"),
        ("русский дубляж", "ru"), ("ไทย", "th"), ("dub_fr-CA_French", "fr-CA"), ("frenchman", ""),
        ("dub_iw", "he"), ("dub_tl", "fil"), ("dub_yue", "yue"),
        ("dub_french_CA", "fr-CA"), ("Spanish_AR", "es-AR"), ("dub_Portuguese-BR", "pt-BR"),
        ("English_UK_mix", "en-GB"), ("dub_english_us", "en-US"), ("Chinese-Hant", "zh-Hant"),
        ("Spanish_419", "es-419"), ("French_TV_mix", "fr"), ("Italian_no_fx", "it"), ("French_ME", "fr"),
        ("film_VFQ", "fr-CA"), ("film_VF", "fr"), ("dub_PTBR", "pt-BR"), ("dub_jp", "ja"), ("dub_cz", "cs"),
        ("dub_LAS", "es-419"), ("film_LATAM", "es-419"), ("dub_ES_LA", "es-419"), ("Spanish-LA", "es-419"),
        ("dub_SPA_LAS", "es-419"), ("Latin_American_Spanish", "es-419"), ("dub_Spanish_Latin", "es-419"),
        ("dub_BRA", "pt-BR"), ("dub_POR_BRA", "pt-BR"), ("PTB_mix", "pt-BR"),
        ("Brazilian Portuguese", "pt-BR"),
        ("dub_FRC", "fr-CA"), ("dub_FR_CAN", "fr-CA"), ("French_Canadian_v2", "fr-CA"),
        ("fr_Parisian", "fr-FR"), ("TRUEFRENCH", "fr"), ("dub_ENG_GBR", "en-GB"),
        ("dub_ENU", "en-US"), ("dub_FLE", "nl-BE"),
        ("dub_CHT", "zh-Hant"), ("Simplified Chinese", "zh-Hans"), ("Serbian_Latin", "sr"),
        ("film_VOSTFR", ""), ("dub_BR", ""),
        ("dub", ""), ("mix_v1", ""), ("final_vo", ""), ("", ""), ("d", ""),
    ],
)  # fmt: skip
def test_a_file_name_has_a_language(name: str, tag: str) -> None:
    assert language.guess(name) == tag


@given(st.text(alphabet="frcaestzhHanTW_-. 0419é", max_size=24))
def test_no_name_breaks_the_guess(name: str) -> None:
    tag = language.guess(name)
    assert language.standard(tag) == tag


@pytest.mark.parametrize(
    ("tag", "terminological", "bibliographic", "spoken"),
    [
        ("fr-CA", "fra", "fre", "fr"), ("zh-Hant", "zho", "chi", "zh"), ("de", "deu", "ger", "de"),
        ("nb", "nob", "nob", "no"), ("yue", "yue", "yue", "yue"), ("fil", "fil", "fil", "tl"),
        ("x-foo", "", "", ""), ("", "", "", ""),
    ],
)  # fmt: skip
def test_codes_for_files_and_recognisers(
    tag: str, terminological: str, bibliographic: str, spoken: str
) -> None:
    assert language.iso639_2(tag) == terminological
    assert language.iso639_2(tag, bibliographic=True) == bibliographic
    assert language.spoken(tag) == spoken or tag == "x-foo"


@pytest.mark.parametrize(
    ("tag", "voice"),
    [
        ("fr", "fr-fr"), ("fr-CA", "fr-fr"), ("fr-BE", "fr-be"), ("es-AR", "es-419"), ("es", "es"),
        ("pt-BR", "pt-br"),
        ("en", "en-us"), ("en-AU", "en-gb"), ("zh-Hant-TW", "cmn"), ("no", "nb"), ("sr-Latn", "sr"),
        ("ca", ""),
    ],
)  # fmt: skip
def test_the_nearest_voice(tag: str, voice: str) -> None:
    voices = ["cmn", "en-gb", "en-us", "es", "es-419", "fr-be", "fr-fr", "nb", "pt", "pt-br", "sr"]
    assert language.nearest(tag, voices) == voice


@pytest.mark.parametrize(
    ("text", "tag"), [("fra", "fr"), ("pt_br", "pt-BR"), ("", ""), ("zh-hant", "zh-Hant")]
)
def test_settings_take_tags_and_codes(text: str, tag: str) -> None:
    assert RemuxSettings(language=text).language == tag


@pytest.mark.parametrize("text", ["film", "fr-", "french", "xx", "fr CA", "und"])
def test_settings_refuse_what_is_not_a_language(text: str) -> None:
    with pytest.raises(ValidationError, match="not a language; use a BCP 47 tag such as fr"):
        RemuxSettings(language=text)
