"""A job as a script for Slurm (https://slurm.schedmd.com/sbatch.html): an array of tasks for each stage."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from dubcli.errors import one_line
from dubcli.farm.steps import NOTICE_SECONDS, Step

MAX_RESTARTS = 5
"""How often a task that met a shortage (75) is queued again; set by hand."""

_SCRIPT = """\
#!/usr/bin/env bash
# Written by `dubcli farm slurm`. `bash {name}` submits the job's stages, each after those it needs, and
# prints their numbers. sbatch reads its own variables (SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT);
# DUBCLI names the program on the nodes. All nodes must see the job's folder under this path.
set -euo pipefail
job={job}
dubcli=${{DUBCLI:-dubcli}}

if [ "${{1:-}}" = task ]; then
  stage=$2 shards=$3
  number=$SLURM_ARRAY_TASK_ID
  signal= child=
  trap 'signal=USR1; [ -z "$child" ] || kill -USR1 "$child"' USR1
  trap 'signal=TERM; [ -z "$child" ] || kill -TERM "$child"' TERM
  "$dubcli" run "$job" --stage "$stage" --shard "$number/$shards" --workers "$SLURM_CPUS_PER_TASK" \\
    --expect {version} --progress plain &
  child=$!
  [ -z "$signal" ] || kill -"$signal" "$child"  # it came before there was a child
  while :; do
    before=$signal
    code=0
    wait "$child" || code=$?
    [ "$signal" = "$before" ] && break  # and not a signal that interrupted the wait
  done
  # Ahead of the time limit (138: before it had begun), and after a shortage, the task goes back into the
  # queue and continues from there.
  case $code/$signal/$((${{SLURM_RESTART_COUNT:-0}} < {restarts})) in
    143/USR1/* | 138/USR1/* | 75/*/1) scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$number" || true ;;
  esac
  exit "$code"
fi

submit() {{  # STAGE TASKS CORES MEBIBYTES GPUS JOB...
  local stage=$1 tasks=$2 cores=$3 memory=$4 gpus=$5
  shift 5
  local after=()
  if [ $# -gt 0 ]; then
    after=(--dependency="afterok:$(IFS=:; echo "$*")" --kill-on-invalid-dep=yes)
  fi
  [ "$gpus" = 0 ] || after+=(--gres="gpu:$gpus")
  sbatch --parsable --job-name="dubcli-$stage" --chdir="$job" --output="logs/slurm-$stage-%a.log" \\
    --open-mode=append --array="1-$tasks" --cpus-per-task="$cores" --mem="${{memory}}M" \\
    --requeue --signal=B:USR1@{notice} "${{after[@]}}" "$0" task "$stage" "$tasks" | cut -d';' -f1
}}

mkdir -p "$job/logs"
"""


def script(root: Path, found: Iterable[Step], version: str, name: str) -> str:
    """The text of a Bash script that submits a job, and is each of its tasks as well.

    Args:
        root: the job directory.
        found: its steps.
        version: the word for `--expect`.
        name: the script's file name, for its own comment.
    """
    head = _SCRIPT.format(
        name=one_line(name),  # in a comment
        job=shlex.quote(str(root.resolve())),
        version=shlex.quote(version),
        restarts=MAX_RESTARTS,
        notice=NOTICE_SECONDS,
    )
    lines = []
    for step in found:
        numbers = f"{step.tasks} {step.workers} {step.memory} {int(step.gpu)}"
        words = " ".join([step.stage, numbers, *(f'"${before}"' for before in step.after)])
        lines += [f"{step.stage}=$(submit {words})", f'echo "{step.stage} ${step.stage}"']
    return head + "\n".join(lines) + "\n"
