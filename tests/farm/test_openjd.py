"""Open Job Description: the template is valid, and openjd-cli makes the film from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dubcli.farm.openjd import template
from dubcli.farm.slurm import script
from dubcli.farm.steps import Step
from tests.cli.conftest import Dubcli
from tests.crash.harness import Place, streams
from tests.farm.conftest import PASS, moved

OPENJD = shutil.which("openjd", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def test_openjd_makes_the_film_where_the_folder_has_another_path(
    begun: Place, dubcli: Dubcli, program: Path, tmp_path: Path
) -> None:
    if not OPENJD:
        pytest.skip("openjd-cli is not installed; pip install openjd-cli")
    from openjd.model import decode_job_template

    file = begun.folder / "job.yaml"
    written = dubcli("farm", "openjd", begun.job, "-o", file, "--shards", "2", "--workers", "1")
    assert (written.returncode, written.stdout) == (0, f"{file}\n"), written.stderr
    made = yaml.safe_load(file.read_text())
    decode_job_template(template=made)
    steps = {step["name"]: step for step in made["steps"]}
    assert {one["dependsOn"] for one in steps["cue"]["dependencies"]} == {"cast", "align"}
    memory = {name: step["hostRequirements"]["amounts"][1]["min"] * (1 << 20) for name, step in steps.items()}
    assert memory["track"] > 600_000_000  # what its libraries take, and some pictures

    place = moved(begun, tmp_path / "elsewhere")
    mapping = {"source_path_format": "POSIX", "source_path": str(begun.folder)}
    rules = {
        "version": "pathmapping-1.0",
        "path_mapping_rules": [{**mapping, "destination_path": str(place.folder)}],
    }
    words = ["run", str(place.folder / "job.yaml"), "--step", "report", "--run-dependencies"]
    words += ["--job-param", f"Folder={begun.folder}", "--job-param", f"Dubcli={program}"]
    words += ["--path-mapping-rules", json.dumps(rules)]
    done = subprocess.run([str(OPENJD), *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "openjd_progress: 100.0" in done.stdout
    # Engines that do nothing leave the picture as it is, and the dub is the first sound.
    assert streams(place.out)[0] == streams(place.film)[0]
    assert len(streams(place.out)) == len(streams(place.film)) + 1
    ran = [e for e in place.events() if e["type"] == "unit.done" and e["stage"] == "track"]
    shards = {e["shard"] for e in place.events() if e["type"] == "run.start" and e.get("only") == "track"}
    assert (len(ran), shards) == (2, {"1/2", "2/2"})
    assert sum(e["type"] == "published" and e["new"] for e in place.events()) == 1


@pytest.mark.parametrize("name", ["a{{b}}.dub", "{{{}}}.dub", "tab\tnew\nline\x85.dub", "é" * 200, "a.dub"])
def test_a_job_may_be_called_anything(name: str, tmp_path: Path) -> None:
    pytest.importorskip("openjd.model")
    from openjd.model import decode_job_template

    step = Step(stage="probe", after=(), tasks=1, workers=1, memory=1, gpu=False)
    decode_job_template(template=template(tmp_path / name, [step], "1+a", tmp_path))


def test_a_scripts_name_cannot_become_a_command_in_it(tmp_path: Path) -> None:
    text = script(tmp_path / "a b'c.dub", [], "1+a", "a\nrm -r b.sh")
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert not any(line.startswith("rm ") for line in text.splitlines())


def test_a_finished_job_in_which_nobody_speaks_can_be_written(begun: Place, dubcli: Dubcli) -> None:
    done = begun.run(*PASS)
    assert done.returncode == 0, done.stderr
    for form in ("openjd", "slurm"):
        file = begun.folder / form
        written = dubcli("farm", form, begun.job, "-o", file)
        assert (written.returncode, written.stdout) == (0, f"{file}\n"), written.stderr
        assert "gallery" in file.read_text()  # whoever corrects the cues has work for it
