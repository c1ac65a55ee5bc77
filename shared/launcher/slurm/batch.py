"""The batch script of a step: plain bash that a person can read, change, and submit again by hand.

Before a time limit (USR1, as asked of sbatch) and on preemption (TERM) the step is sent TERM: training saves and ends
with 0, and the script puts itself back into the queue. It does so too when a process was killed, as long as each start
gets further than the one before. A job that was cancelled stays cancelled.
https://slurm.schedmd.com/sbatch.html (--signal, --requeue, --open-mode)
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from isomer.errors import EXIT_LOST
from isomer.run import RunFolder
from isomer.volume import check_name
from launcher import project
from launcher.slurm.queue import PREFIX
from launcher.slurm.site import Site
from launcher.step import Step

ENDED = "ended with exit code"  # of the last line of a job's log, by which it is known to be at its end
IDLE_STARTS = 3  # in a row that made nothing: a fourth would not either


@dataclass(frozen=True)
class Launch:
    """How a step is started on the nodes: the command, its variables, further options of srun, and lines of shell that
    come first, on one of them."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    srun: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One element of a job array: what its command line has beside the others', and the run that it is."""

    argv: tuple[str, ...]
    run: str


@dataclass(frozen=True)
class Array:
    """A job array, a task of it for each run of a sweep; `at_once` of them run at once at most."""

    sweep: str
    tasks: tuple[Task, ...]
    at_once: int | None = None

    @property
    def numbers(self) -> str:
        """As sbatch reads them."""
        return f"0-{len(self.tasks) - 1}{f'%{self.at_once}' if self.at_once else ''}"


def name_of(step: Step) -> str:
    """The name of a step's job in the queue."""
    words = [str(step.argv[0]).removesuffix(".py") if step.argv else step.program, step.image]
    return PREFIX + "-".join([*words, *([step.run] if step.run else [])])


def folder_of(step: Step) -> Path:
    """Where a step's batch script and log are kept: with its run, or with the data volume's other jobs."""
    volume = project.volume()
    return RunFolder(volume.runs / check_name("run", step.run)).jobs if step.run else volume.jobs


def script(step: Step, launch: Launch, site: Site, gpus: int = 0, array: Array | None = None) -> str:
    """The batch script of a step.

    Args:
        gpus: on each node.
        array: the runs that the step trains, where it is several; `launch` is what they have in common.
    """
    return "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH {option}" for option in options(step, site, gpus, array)),
            "",
            *(_choose(array) if array else _name(step)),
            *_prepare(step, site, launch),
            "",
            *(_resumable(step, site, launch, array) if step.run else _once(step, launch)),
            "",
        ]
    )


def options(step: Step, site: Site, gpus: int, array: Array | None = None) -> list[str]:
    """What sbatch is asked for."""
    asked: dict[str, str | int | None] = {
        "job-name": name_of(dataclasses.replace(step, run=array.sweep) if array else step),
        "array": array.numbers if array else None,
        # a task's own log is in its run's folder
        "output": project.volume().jobs / "%A.log" if array else folder_of(step) / "%j.log",
        "open-mode": "append",
        "chdir": project.ROOT,
        **place(site),
        "time": site.time_limit,
        "mem": site.memory,
        "nodes": step.nodes,
        "ntasks-per-node": step.devices,
        "cpus-per-task": site.cpus_per_task,
        "gres": f"gpu:{gpus}" if gpus else None,
        "signal": f"B:USR1@{site.warning_seconds}" if step.run else None,
    }
    words = [f"--{key}={_quoted(value)}" for key, value in asked.items() if value is not None]
    return [*words, "--requeue" if step.run else "--no-requeue", *site.options]


def place(site: Site) -> dict[str, str | None]:
    """Where a job may run, and on whose account."""
    return {
        "partition": site.partition,
        "account": site.account,
        "qos": site.qos,
        "constraint": site.constraint,
    }


def surroundings(site: Site) -> list[str]:
    """Lines of shell that make a node as the site wants it for a step."""
    return [*(f"module load {shlex.quote(name)}" for name in site.modules), *site.setup]


def srun(launch: Launch) -> str:
    # processes of a run end each other within seconds, with a sentence; to be killed would leave none
    return shlex.join(["srun", "--wait=60", *launch.srun, *launch.argv])


def _prepare(step: Step, site: Site, launch: Launch) -> list[str]:
    lines = [*surroundings(site), *(f"export {key}={_quoted(value)}" for key, value in launch.env.items())]
    lines += ['ISOMER_NODES=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | paste -sd,)', "export ISOMER_NODES"]
    return [*lines, *launch.before]


def _once(step: Step, launch: Launch) -> list[str]:
    return [
        srun(launch),
        "code=$?",
        f'echo "job $SLURM_JOB_ID {ENDED} $code ($ISOMER_NODES)"',
        "exit $code",
    ]


def _name(step: Step) -> list[str]:
    """The run of the step, and the job's number."""
    if not step.run:
        return []
    return [f"run={_quoted(project.volume().runs / step.run)}", "job=$SLURM_JOB_ID"]


def _choose(array: Array) -> list[str]:
    """What is a task's own: its run, its flags, its log, and its number, which is not SLURM_JOB_ID: that may be the
    whole array's."""
    return [
        f"# the runs of the sweep {array.sweep}, and what each has beside the flags that all share",
        "case $SLURM_ARRAY_TASK_ID in",
        *(
            f"  {place}) own=({shlex.join(task.argv)}) run={_quoted(task.run)} ;;"
            for place, task in enumerate(array.tasks)
        ),
        "esac",
        f"run={_quoted(project.volume().runs)}/$run",
        "job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID",
        'mkdir -p "$run/slurm" && exec >>"$run/slurm/$job.log" 2>&1',
    ]


def _resumable(step: Step, site: Site, launch: Launch, array: Array | None) -> list[str]:
    argv = list(launch.argv)
    again = "--fresh" in argv
    if again:
        argv.remove("--fresh")
    command = srun(dataclasses.replace(launch, argv=tuple(argv)))
    command += (' "${own[@]}"' if array else "") + (' "${fresh[@]}"' if again else "")
    fresh = [
        "# what a start has made, the next one goes on with",
        "fresh=(--fresh); [[ ${SLURM_RESTART_COUNT:-0} -gt 0 ]] && fresh=()",
        "",
    ]
    return [
        "# $note.why: of the last restart; .begun: when this one began; .idle: a line for each start that made nothing",
        'note="$run/slurm/$job"',
        'mkdir -p "$run/slurm"; touch "$note.begun" "$note.idle"',
        "if [[ ${SLURM_RESTART_COUNT:-0} -gt 0 ]]; then",
        '  ISOMER_RESTART=$(cat "$note.why" 2>/dev/null || echo "node failed or taken")',
        "  export ISOMER_RESTART",
        '  echo "job $job starts again, number $SLURM_RESTART_COUNT ($ISOMER_RESTART), on $ISOMER_NODES"',
        "fi",
        'rm -f "$note.why"',
        *(fresh if again else []),
        "# TERM lets training save; to srun itself it would mean to kill",
        "why=",
        'trap \'why="time limit"; scancel --signal=TERM "$job.0"\' USR1',
        "trap : TERM  # the processes were sent it, too",
        "",
        f"{command} &",
        "step=$!",
        'wait "$step"; code=$?',
        "# a trapped signal ends wait, not the step",
        'while kill -0 "$step" 2>/dev/null; do wait "$step"; code=$?; done',
        "",
        'is_done() { grep -q \'"state": "done"\' "$run/run.json" 2>/dev/null; }',
        'has_moved() { find "$run/checkpoints" -newer "$note.begun" -not -name ".*" 2>/dev/null | grep -q .; }',
        "if ! is_done; then",
        '  about=$(scontrol show job "$job")',
        "  case $about in",
        "  *Reason=TimeLimit*) why='time limit' ;;",
        "  *JobState=COMPLETING*)",
        "    restarts=${about#*Restarts=}; restarts=${restarts%% *}",
        "    # Slurm puts it back by itself: its grace time is over, or a node failed",
        "    [[ $about != *PreemptTime=None* || $restarts -gt ${SLURM_RESTART_COUNT:-0} ]] && exit $code",
        "    code=143; why= ;;  # cancelled",
        "  *) # a grace time before preemption is told to the processes alone",
        "    [[ -z $why && $code -eq 0 && $about != *PreemptTime=None* ]] && why=preempted",
        f"    [[ -z $why && ( $code -ge 128 || $code -eq {EXIT_LOST} ) ]] && why='a process was killed' ;;",
        "  esac",
        "fi",
        "if [[ -n $why ]] && ! is_done; then",
        f"  if [[ ${{SLURM_RESTART_COUNT:-0}} -ge {site.restarts} ]]; then",
        f'    echo "error: $why; after {site.restarts} restarts (restarts in slurm.toml) the job ends" >&2',
        f'  elif [[ $why != preempted && $(wc -l <"$note.idle") -ge {IDLE_STARTS - 1} ]] && ! has_moved; then',
        f'    echo "error: $why, and {IDLE_STARTS} starts one after the other wrote no checkpoint: the job ends" >&2',
        "  else",
        '    if has_moved; then : >"$note.idle"; elif [[ $why != preempted ]]; then echo >>"$note.idle"; fi',
        '    echo "$why" > "$note.why"; echo "job $job: $why, back into the queue"',
        '    scontrol requeue "$job" && exit 0',
        "  fi",
        "  [[ $code -eq 0 ]] && code=1",
        "fi",
        'rm -f "$note.begun" "$note.idle"',
        f'echo "job $job {ENDED} $code ($ISOMER_NODES)"',
        "exit $code",
    ]


def _quoted(value: object) -> str:
    return shlex.quote(str(value))


def sbatch_words(options: Iterable[str]) -> list[str]:
    """Options as they stand behind `#SBATCH`, as words of a command line."""
    return shlex.split(" ".join(options))
