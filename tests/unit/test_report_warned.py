"""Every warning of a run stands in the report's summary, also one that an earlier run or another job gave."""

from __future__ import annotations

import json
from pathlib import Path

from dubcli.artifacts import report as model
from dubcli.core.job import Job
from dubcli.report import page
from dubcli.report.pictures import Pictures
from dubcli.settings.config import Settings
from tests.unit.reports import hostile


def test_what_runs_warned_of_stands_in_the_report(tmp_path: Path) -> None:
    film, dub = tmp_path / "film.mp4", tmp_path / "dub.wav"
    film.write_bytes(b"film")
    dub.write_bytes(b"dub")
    job = Job.create_or_open(film, dub, Settings())

    def put(unit: str, *warnings: str, **files: str) -> None:
        made = job.store.workspace()
        for name, text in {"data.txt": unit, **files}.items():
            (made / name.replace("_", ".")).write_text(text, "utf-8")
        stage, _, name = unit.partition("/")
        told = {"read": [], "warnings": list(warnings)}
        job.set_ref(unit, job.store.put({"stage": stage, "name": name}, made, told).key)

    source = hostile()
    made = source.made.model_copy(update={"warned": model.WARNED})
    report = source.model_copy(update={"made": made})
    put("align/dub", "the dub holds no speech")  # by another job of the same store
    put("report/film", report_json=report.text(), report_html=page.page(report, Pictures()))
    rows = [
        {"type": "run.start"},
        {"type": "warning", "stage": "gallery", "unit": "film", "text": "of an earlier run"},
        {"type": "run.start"},
        {"type": "warning", "stage": "gallery", "unit": "film", "text": "consent: p01 <Anna>"},
        {"type": "warning", "stage": "align", "unit": "dub", "text": "the dub holds no speech"},
        {"type": "warning", "stage": "report", "unit": "film", "text": "said by the report itself"},
    ]
    (job.root / "events.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows) + "{torn", "utf-8")
    (job.root / "report.html").touch()
    job.refresh_report()
    assert model.Report.load(job.root).made.warned == "the dub holds no speech\nconsent: p01 <Anna>"
    text = (job.root / "report.html").read_text("utf-8")
    assert '<li class="told">the dub holds no speech\nconsent: p01 &lt;Anna&gt;</li>' in text
