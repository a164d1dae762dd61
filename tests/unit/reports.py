"""A report made by hand, with words that are no words."""

from __future__ import annotations

import json
import re
from typing import Any

from dubcli.artifacts import report as model
from dubcli.artifacts.cast import Consent
from dubcli.artifacts.measures import Measure, Measures

GOOD = Measures(
    frames=72, picture_frames=72, speech_frames=70, closures=4, offset_ms=Measure(dubbed=12.0),
    follows=Measure(dubbed=0.95), amplitude=Measure(dubbed=1.0), closure_hits=Measure(dubbed=1.0),
    sharpness=Measure(dubbed=0.9, source=1.0), changed_outside=0, worst=12,
)  # fmt: skip


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;{{ 7*7 }}"


def hostile() -> model.Report:
    cue = model.Cue(start=0, stop=5, kind="speak", confidence=1.0)
    skip = model.Skip(start=5, stop=9, reason=HOSTILE)
    curves = model.Curves(start=0, source=(0.1,) * 9, target=(None,) * 9, dubbed=(0.2,) * 9)
    face = model.Face(
        name="0.0", person=HOSTILE, start=0, stop=9, state="changed", changed=((0, 5),), frames_changed=5,
        confidence=0.5, cues=(cue,), skipped=(skip,), curves=curves, verdict="look", measures=GOOD,
        reasons=(model.Reason(measure="seam", verdict="look", text=HOSTILE, advice=HOSTILE),),
    )  # fmt: skip
    shot = model.Shot(
        name=HOSTILE,
        start=0,
        stop=9,
        seconds=0.0,
        state="changed",
        changed=((0, 5),),
        what=HOSTILE,
        timecode=HOSTILE,
        verdict="look",
        faces=(face,),
    )
    person = model.Person(
        name=HOSTILE, id="p01", faces=1, faces_changed=1, frames_changed=5, good=0, look=1, redo=0,
        forecast="good", because=HOSTILE, consent=Consent(state=HOSTILE, sha256=HOSTILE),
    )  # fmt: skip
    return model.Report(
        made=model.Made(
            output=HOSTILE, date=HOSTILE, version=HOSTILE, timings=HOSTILE, preset=HOSTILE,
            settings={"remux.language": HOSTILE}, limits={"seam": (1.0, 2.0)},
        ),
        people=(person,),
        film=model.Film(
            name=HOSTILE, seconds=0.4, frames=9, rate=(24, 1), width=64, height=48, codec="x", pix_fmt="y",
            audio=0, subtitles=0,
        ),
        dub=model.Dub(name=HOSTILE, seconds=1.0, speech_seconds=0.5),
        totals=model.Totals(
            shots=1, shots_changed=1, faces=1, faces_changed=1, faces_failed=0, good=0, look=1,
            redo=0, frames=9, frames_changed=5,
            frames_encoded=None, offscreen_seconds=0.0, skipped={HOSTILE: 4},
        ),
        changed=((0, 5),), speech=(), offscreen=(), warnings=(HOSTILE,), engines=(), shots=(shot,),
    )  # fmt: skip


def shots(text: str) -> Any:
    """What the page's script is given."""
    (rows,) = re.findall(r'<script type="application/json" id="shots"[^>]*>(.*?)</script>', text, re.DOTALL)
    return json.loads(rows)
