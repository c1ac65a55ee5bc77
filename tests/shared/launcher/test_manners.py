"""What the terminal is told: completion, --quiet, --verbose, no colours where nobody sees them."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def inv(root, *words: str, **variables: str) -> subprocess.CompletedProcess:
    import os

    return subprocess.run(
        [str(root / "inv"), *words], capture_output=True, text=True, check=False, env=os.environ | variables, cwd=root
    )


def test_bash_completes_verbs_and_flags(root):
    script = "source <(./inv completion bash); COMP_WORDS=(./inv {words}); _complete_inv x {last}; echo ${COMPREPLY[@]}"

    def complete(words: str) -> list[str]:
        command = script.replace("{words}", words).replace("{last}", words.split()[-1])
        return subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=True, cwd=root
        ).stdout.split()

    assert complete("data-im") == ["data-import"]
    assert {"--name", "--format", "--classes"} <= set(complete("data-import --"))


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
@pytest.mark.parametrize("called", ["./inv", "inv"])
def test_fish_completes_verbs_and_flags(root, called):
    script = f'./inv completion fish | source; complete -C "{called} data-im"; complete -C "{called} infer --thresh"'
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["data-import", "--threshold"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script_without_a_slash_in_a_function(root, shell):
    done = inv(root, "completion", shell)
    assert done.returncode == 0
    assert "complete_inv" in done.stdout and "complete_./" not in done.stdout and "--command ./" not in done.stdout


def test_an_unknown_shell(root):
    done = inv(root, "completion", "tcsh")
    assert done.returncode == 2
    assert "'tcsh' is not one of bash, zsh, fish" in done.stderr


def test_quiet_says_the_result_alone(root, tmp_path):
    loud = inv(root, "clean", ISOMER_DATA=str(tmp_path))
    assert loud.returncode == 0
    plain = inv(root, "doctor", "--engine", "venv", ISOMER_DATA=str(tmp_path))
    quiet = inv(root, "doctor", "--engine", "venv", "--quiet", ISOMER_DATA=str(tmp_path))
    assert plain.stdout.startswith("engine: venv")
    assert not quiet.stdout.startswith("engine:")
    assert "data volume" in quiet.stdout


def test_verbose_says_where_an_error_was_raised(root):
    plain, verbose = (inv(root, "runs", "--run", "nobody", *more) for more in ((), ("--verbose",)))
    assert plain.returncode == verbose.returncode == 2
    assert "Traceback" not in plain.stderr
    assert "Traceback" in verbose.stderr
    assert verbose.stderr.splitlines()[-1] == plain.stderr.splitlines()[-1]


def test_no_colours_in_a_pipe(root, tmp_path):
    assert "\x1b[" not in inv(root, "doctor", "--engine", "venv", ISOMER_DATA=str(tmp_path)).stdout


@pytest.mark.parametrize(
    ("goes_on", "says"), [(True, "the same command goes on from there"), (False, "starts anew next time")]
)
def test_after_an_interrupt_a_step_says_what_becomes_of_it(capsys, goes_on, says):
    from isomer.errors import run_main

    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as left:
        run_main(main, goes_on=goes_on)
    assert left.value.code == 130 and says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "choices", "meant"),
    [
        ("--modle", ["--model", "--modules"], "--model"),
        ("shapes-trohc", ["shapes-torch", "shapes-tf"], "shapes-torch"),
        ("shape", ["shapes", "chess"], "shapes"),
        ("nothing", ["shapes", "chess"], None),
    ],
)
def test_the_choice_that_was_probably_meant(word, choices, meant):
    from isomer.errors import nearest

    assert nearest(word, choices) == meant


def test_a_word_after_json_that_may_be_its_file(root):
    done = inv(root, "data-check", "--json", "pets")
    assert done.returncode == 2 and "'pets' after --json may be its file or not: write --json last" in done.stderr


@pytest.mark.parametrize(
    ("verb", "usage"),
    [("infer", "infer --model MODEL --source SOURCE ["), ("convert", "convert PATH --name NAME ["), ("runs", "runs [")],
)
def test_help_begins_with_what_must_be_given(root, verb, usage):
    assert inv(root, verb, "--help").stdout.startswith(f"Usage: ./inv {usage}")
