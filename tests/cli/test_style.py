"""`dubcli style`: what a clip lends, whom it is given to, and what runs again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Dubcli
from tests.cli.test_cue import three_shots as three_shots
from tests.cli.test_run import events_of
from tests.conftest import Sample


def test_a_lent_style_runs_again_only_the_shots_that_have_it(
    tmp_path: Path, three_shots: Path, tiny: Sample, one_store: tuple[str, str], dubcli: Dubcli
) -> None:
    """One job, as at a desk."""
    words = (three_shots, "-a", three_shots.with_name("dub_fr.wav"), "-o", "out.mp4", "--job", "job")
    settings = ("--engine", "lips=passthrough", "--set", "track.views=1", "--set", "report.measure=0")
    assert dubcli("run", *words, *settings, *one_store).returncode == 0
    job = tmp_path / "job"

    def ran() -> set[tuple[str, str]]:
        before = len(events_of(job))
        done = dubcli("run", "job")
        assert done.returncode == 0, done.stderr
        return {(e["stage"], e["unit"]) for e in events_of(job)[before:] if e["type"] == "unit.start"}

    lent = dubcli("style", "lend", tiny.film, "--job", "job", "--name", "lively", "--progress", "none")
    assert (lent.returncode, lent.stdout.strip()) == (0, "job/styles/lively.json"), lent.stderr
    assert "write style: lively" in lent.stderr
    path = job / "styles" / "lively.json"
    first = path.read_bytes()
    assert json.loads(first)["film"] == "film.mp4"
    assert json.loads(first)["seconds"] > 2
    (job / "styles" / "twin.json").write_bytes(first)
    assert "lively" in dubcli("style", "show", "job").stdout
    shown = json.loads(dubcli("style", "show", "job", "--json").stdout)
    assert set(shown["styles"]) == {"lively", "twin"}
    assert set(shown["people"]) == {"p01"}
    assert ran() == set(), "nobody has it yet"

    exported = json.loads(dubcli("cue", "export", "job").stdout)
    cue = exported["cues"][-1]
    (tmp_path / "cues.json").write_text(json.dumps(exported).replace('"style": ""', '"style": "livly"'))
    refused = dubcli("cue", "import", "cues.json", "--job", "job")
    assert refused.returncode == 4
    assert "there is no style 'livly'; did you mean 'lively'?" in refused.stderr
    cue["style"] = "lively"
    (tmp_path / "cues.json").write_text(json.dumps(exported))
    assert "1 shot changed" in dubcli("cue", "import", "cues.json", "--job", "job").stderr
    unit = f"{cue['shot']}.{cue['track']}"
    assert {row for row in ran() if row[0] == "motion"} == {("motion", unit)}
    back = json.loads(dubcli("cue", "export", "job").stdout)["cues"]
    assert [one["style"] for one in back] == [""] * (len(back) - 1) + ["lively"]
    assert "nothing in it differs" in dubcli("cue", "import", "cues.json", "--job", "job").stderr

    edited = json.loads(first)
    edited["aperture"]["middle"] += 0.02
    path.write_text(json.dumps(edited))
    assert {row for row in ran() if row[0] in ("cast", "cue", "learn", "motion")} == {("motion", unit)}

    (job / "cast.yaml").write_text("persons:\n  p01: {style: twin}\n")
    others = {f"{one['shot']}.{one['track']}" for one in back} - {unit}
    assert others
    assert {name for stage, name in ran() if stage == "motion"} == others, "the line has its own"

    (job / "styles" / "twin.json").unlink()
    refused = dubcli("run", "job")
    assert refused.returncode == 4
    assert "cast.yaml:2:9: there is no style 'twin'; there are: lively" in refused.stderr
    path.write_text("{")
    refused = dubcli("run", "job")
    assert (refused.returncode, "lively.json:1:" in refused.stderr) == (4, True)


def test_what_cannot_lend_a_style_says_so(tmp_path: Path, tiny: Sample, dubcli: Dubcli) -> None:
    words = (tiny.film, "-a", tiny.dub, "-o", "out.mp4", "--job", "job")
    assert dubcli("run", *words, "--set", "track.views=1", "--stage", "probe").returncode == 0
    for clip, options, code, told in (
        ("none.mp4", (), 3, "there is no file none.mp4"),
        (tiny.film, ("--name", "own"), 2, "no style can be called 'own'"),
        (tiny.film, ("--name", "../x"), 2, "no style can be called '../x'"),
        (tiny.film, ("--person", "p07"), 2, "--person p07: nobody who speaks in"),
        (tiny.film, ("--set", "learn.least_speech=60"), 2, "--set"),
    ):
        done = dubcli("style", "lend", clip, "--job", "job", *options, "--progress", "none")
        assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "job" / "styles").exists()
    assert dubcli("run", *words, "--set", "learn.least_speech=60", "--stage", "probe").returncode == 0
    done = dubcli("style", "lend", tiny.film, "--job", "job", "--progress", "none")
    assert (done.returncode, "nobody visible speaks long enough" in done.stderr) == (3, True), done.stderr
