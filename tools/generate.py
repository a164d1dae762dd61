"""Write what is generated from the code: man pages, shell completion, schemas of presets and reports.

`python tools/generate.py` writes the files; with `--check` it lists stale files and exits with 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from dubcli.artifacts.report import Report
from dubcli.cli import completion, man
from dubcli.cli.app import everything
from dubcli.engines.registry import BUILTIN
from dubcli.settings.layers import Preset, names, presets
from dubcli.stages import ORDER

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """Path → text of every generated file."""
    root = everything()
    words = {
        "STAGE": ORDER,
        "NAME|FILE": tuple(presets()),
        "PRESET": tuple(presets()),
        "KIND=NAME": tuple(f"{info.kind}={info.name}" for info in BUILTIN),
        "ENGINE": tuple(dict.fromkeys(info.name for info in BUILTIN)),
        "NAME=VALUE": tuple(f"{name}=" for name in names()),
    }
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Preset.model_json_schema()}
    schema |= {
        "title": "dubcli preset",
        "description": "A preset of dubcli: what it does not say keeps its default.",
    }
    report = {"$schema": schema["$schema"], **Report.model_json_schema(mode="serialization")}
    return {
        **{ROOT / "man" / name: text for name, text in man.pages(root).items()},
        **{ROOT / "completion" / name: text for name, text in completion.files(root, words).items()},
        ROOT / "docs" / "report.schema.json": json.dumps(report, indent=1, ensure_ascii=False) + "\n",
        ROOT / "dubcli" / "presets" / "schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
    }


def main() -> int:
    """Write or check the files; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="list stale files, write none")
    check = parser.parse_args().check
    wanted = generated()
    present = {path for folder in ("man", "completion") for path in (ROOT / folder).glob("*")}
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    surplus = sorted(present - set(wanted))
    if check:
        for path in stale + surplus:
            sys.stderr.write(f"{path.relative_to(ROOT)} is stale; type: make man\n")
        return 1 if stale or surplus else 0
    for path in surplus:
        path.unlink()
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], "utf-8")
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
