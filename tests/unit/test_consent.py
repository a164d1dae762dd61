"""Consent: what a record permits, and that nobody is rendered without it where the settings ask for it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from dubcli.artifacts.cast import Cast, Person
from dubcli.artifacts.cues import Cue, Cues
from dubcli.core import consent
from dubcli.core.job import Job
from dubcli.core.model import Artifact, JobView, Source
from dubcli.edits import castfile
from dubcli.edits.consent import Consent
from dubcli.errors import ConfigError
from dubcli.settings.config import CastSettings, Settings
from dubcli.settings.document import parse_yaml

TODAY = datetime.date(2026, 6, 1)


def record(text: str) -> Consent | None:
    """The consent of a `cast.yaml` that says `consent: TEXT`."""
    document = parse_yaml(f"persons:\n  p01: {{consent: {text}}}\n", "cast.yaml")
    return document.model(castfile.CastFile).persons["p01"].consent


@pytest.mark.parametrize(
    ("text", "language", "objection"),
    [
        ("release of May", "fr", ""),
        ("{document: r1}", "", ""),
        ("{document: r1, languages: [fr]}", "fr", ""),
        ("{document: r1, languages: [fr]}", "fr-CA", ""),
        ("{document: r1, languages: [fr-CA]}", "fr", "it is for fr-CA, not for fr"),
        ("{document: r1, languages: [f]}", "fr", None),
        ("{document: r1, languages: [de, es]}", "fr", "it is for de, es, not for fr"),
        ("{document: r1, languages: [de]}", "", "the dub's language is not known"),
        ("{document: r1, until: 2026-06-01}", "fr", ""),
        ("{document: r1, until: 2026-05-31}", "fr", "it ended on 2026-05-31"),
        ("{document: r1, date: 2026-06-01}", "fr", ""),
        ("{document: r1, date: 2026-06-02}", "fr", "it begins on 2026-06-02"),
        ("{state: pending}", "fr", "it is pending"),
        ("{state: refused, document: letter}", "fr", "it was refused"),
        ("{state: given}", "fr", None),
        ("{document: r1, until: 2030}", "fr", None),
        ("{document: r1, until: 2030-02-30}", "fr", None),
        ("{document: r1, until: 2030-01-01 10:00:00}", "fr", None),
        ("{document: r1, date: 2026-06-02, until: 2026-06-01}", "fr", None),
        ("{document: r1, path: /etc}", "fr", None),
        ("{document: r1, languages: [no]}", "no", ""),
        ("2026118", "fr", ""),
        ("refused", "fr", None),
        ("Pending", "fr", None),
        ("given", "fr", None),
        ("no", "fr", None),
        ("yes", "fr", None),
        ("{document: r1, until: 31.12.2030}", "fr", None),
        ("{document: r1, until: 2030-W01-1}", "fr", None),
    ],
)
def test_a_record_covers_what_it_says_or_is_refused(text: str, language: str, objection: str | None) -> None:
    if objection is None:
        with pytest.raises(ConfigError, match=r"cast\.yaml:2:\d+: persons\.p01|unknown key"):
            record(text)
        return
    found = record(text)
    assert found
    why = found.objection(language, TODAY)
    assert objection in why if objection else why == ""


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., str]:
    """Ask for consent in a job where p01 and p02 speak and p03 does not."""
    film, dub = tmp_path / "film.mp4", tmp_path / "dub_fr.wav"
    film.touch()
    dub.touch()
    people = (Person(id="p01", name="Anna"), Person(id="p02"), Person(id="p03"))
    row = Cue(shot="00000000", track=0, person="p01", start=0, stop=9, kind="speak", confidence=1.0)
    documents = {
        "cast": Cast(persons=people),
        "cue": Cues(
            cues=(row, row.model_copy(update={"person": "p02", "track": 1})),
            offscreen=(),
            skipped=(),
            stems={},
        ),
    }
    view = JobView({}, Settings())
    for stage, document in documents.items():
        (tmp_path / stage).mkdir()
        document.save(tmp_path / stage)
        view.artifacts[stage] = {"film": Artifact("", tmp_path / stage, "")}

    def check(text: str | None, *, required: bool) -> str:
        settings = Settings(cast=CastSettings(require_consent=required))
        job = Job.create_or_open(film, dub, settings)
        view.sources = {"dub": Source(dub, "")}
        if text is not None:
            (job.root / "cast.yaml").write_text(text, "utf-8")
            view.sources = {**view.sources, "cast": Source(job.root / "cast.yaml", "")}
        return consent.check(job, view, TODAY)

    return check


def test_required_consent_is_asked_of_everybody_who_would_be_changed(ask: Callable[..., str]) -> None:
    with pytest.raises(ConfigError, match=r"p01 Anna: none is recorded; p02: none is recorded;.*cast edit"):
        ask(None, required=True)
    one = "persons:\n  p01: {consent: {document: r1, languages: [de]}}\n  p02: {consent: signed}\n"
    with pytest.raises(ConfigError, match="p01 Anna: it is for de, not for fr") as error:
        ask(one, required=True)
    assert "p02" not in str(error.value)
    assert "p03" not in str(error.value)
    assert ask(one.replace("[de]", "[fr]"), required=True) == ""


def test_where_it_is_not_required_a_record_that_does_not_cover_the_dub_is_a_warning(
    ask: Callable[..., str],
) -> None:
    assert ask(None, required=False) == ""
    ended = "persons:\n  p02: {consent: {document: r1, until: 2026-05-31}}\n"
    assert ask(ended, required=False) == "consent does not cover this dub: p02: it ended on 2026-05-31"
