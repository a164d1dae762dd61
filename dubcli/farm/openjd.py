"""A job as an Open Job Description template (https://github.com/OpenJobDescription/openjd-specifications)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dubcli.errors import one_line
from dubcli.farm.steps import NOTICE_SECONDS, Step, arguments

MAX_NAME = 128
"""Length of a job's name, by the specification."""


def template(root: Path, found: Iterable[Step], version: str, beside: Path) -> dict[str, Any]:
    """A job template, plain data for YAML or JSON.

    The job directory's folder is a path parameter, so that schedulers map it to where a worker sees it; all
    files in it are found from there.

    Args:
        root: the job directory.
        found: its steps.
        version: the word for `--expect`.
        beside: the folder in which the template will be: a default path must lie in it, or below.
    """
    folder = root.resolve().parent
    below = folder.is_relative_to(beside.resolve())
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "name": _name(root.resolve().stem),
        "parameterDefinitions": [
            {
                "name": "Folder",
                "type": "PATH",
                "objectType": "DIRECTORY",
                "dataFlow": "INOUT",
                **({"default": os.path.relpath(folder, beside.resolve())} if below else {}),
                "description": "The folder with the film, the dub and the job directory, on all machines.",
            },
            {
                "name": "Job",
                "type": "STRING",
                "default": root.resolve().name,
                "description": "The job directory's name in it.",
            },
            {
                "name": "Dubcli",
                "type": "STRING",
                "default": "dubcli",
                "description": "The program on the workers.",
            },
        ],
        "steps": [_step(step, version) for step in found],
    }


def _name(stem: str) -> str:
    """A job's name, in which the specification allows no control characters, and {{ }} for variables."""
    apart = re.sub(r"(\{(?=\{)|\}(?=\}))", r"\1 ", stem)
    return one_line(apart)[:MAX_NAME]


def _step(step: Step, version: str) -> dict[str, Any]:
    words = ["run", "{{Param.Folder}}/{{Param.Job}}", *arguments(step, version), "--progress", "openjd"]
    space: dict[str, Any] = {}
    if step.tasks > 1:
        words += ["--shard", f"{{{{Task.Param.Shard}}}}/{step.tasks}"]
        shard = {"name": "Shard", "type": "INT", "range": f"1-{step.tasks}"}
        space = {"parameterSpace": {"taskParameterDefinitions": [shard]}}
    after = [{"dependsOn": name} for name in step.after]
    return {
        "name": step.stage,
        **({"dependencies": after} if after else {}),
        **space,
        "hostRequirements": _host(step),
        "script": {
            "actions": {
                "onRun": {
                    "command": "{{Param.Dubcli}}",
                    "args": words,
                    # The first signal lets the units in hand end; what is killed after it is done again.
                    "cancelation": {
                        "mode": "NOTIFY_THEN_TERMINATE",
                        "notifyPeriodInSeconds": NOTICE_SECONDS,
                    },
                }
            }
        },
    }


def _host(step: Step) -> dict[str, Any]:
    amounts = [
        {"name": "amount.worker.vcpu", "min": step.workers},
        {"name": "amount.worker.memory", "min": step.memory},
        *([{"name": "amount.worker.gpu", "min": 1}] if step.gpu else []),
    ]
    return {
        "amounts": amounts,
        "attributes": [{"name": "attr.worker.os.family", "anyOf": ["linux", "macos"]}],
    }
