"""`doctor`: what this machine has."""

from __future__ import annotations

import json

from tests.cli.conftest import Dubcli


def test_doctor_finds_what_this_environment_has(dubcli: Dubcli) -> None:
    done = dubcli("doctor", "--json")
    findings = json.loads(done.stdout)
    assert done.returncode == 0, [item for item in findings if item["state"] == "fail"]
    assert {"python", "cv2", "ffmpeg", "encoders", "tracker mediapipe", "disk"} <= {
        i["check"] for i in findings
    }
    assert all(item["remedy"] for item in findings if item["state"] != "ok")
