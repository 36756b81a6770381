"""Runs this project's sessions on a machine that has only Python 3.11 or newer.

    python3 tools/run.py demo             see the bundled model at work
    python3 tools/run.py test             lint, typing, all tests, wheels and the demo
    python3 tools/run.py --list           every session there is
    python3 tools/run.py SESSION...       some of them
    python3 tools/run.py SESSION -- ARGS  with arguments for it (pytest's, for the tests)

It makes the virtual environment `.venv` in the repository, installs nox in it and hands over to
noxfile.py; it knows nothing of the sessions. Standard library only: nothing is installed yet when
it runs. There are no postponed annotations here, so that an old Python gets as far as the message.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this file is what says so
    sys.exit(
        "error: this is Python {}.{}, and the project needs 3.11 or newer. Run this file with a "
        "newer one, for example: python3.12 tools/run.py".format(*sys.version_info[:2])
    )

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; the exit code of nox, 2 for wrong usage."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0 if arguments else 2
    prepare()
    nox = [str(PYTHON), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py")]
    return subprocess.run([*nox, *nox_arguments(arguments)], check=False).returncode


def nox_arguments(arguments: list[str]) -> list[str]:
    """The command line for nox: `test` means its default sessions, a bare word is a session."""
    if arguments[0] == "test":
        return arguments[1:]
    return arguments if arguments[0].startswith("-") else ["--session", *arguments]


def prepare() -> None:
    """See to it that `.venv` works, is of the running Python, and has nox."""
    if VENV.exists() and not works():
        if not (VENV / "pyvenv.cfg").is_file():
            sys.exit(f"error: {VENV} is no virtual environment; move it away and run this again")
        print(f"{VENV} is damaged or of another Python: making it anew", flush=True)
        shutil.rmtree(VENV)
    if not VENV.exists():
        create()
    if not succeeds("-c", "import nox"):
        print("installing nox", flush=True)
        constraints = str(ROOT / "constraints.txt")
        pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        if subprocess.run([*pip, "-c", constraints, "nox"], check=False).returncode:
            sys.exit("error: pip could not install nox; its message is above")


def works() -> bool:
    """Whether the Python in `.venv` starts, has pip, and is of the version that runs this file."""
    version = f"sys.version_info[:2] == {sys.version_info[:2]}"
    return succeeds("-c", f"import pip, sys; sys.exit(not {version})")


def succeeds(*arguments: str) -> bool:
    """Whether the Python in `.venv` runs with these arguments and ends with 0."""
    try:
        run = subprocess.run([str(PYTHON), *arguments], check=False, capture_output=True)
    except OSError:  # it is missing, or a link to a Python that was removed
        return False
    return run.returncode == 0


def create() -> None:
    """Make `.venv`, or end with what is missing for it."""
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            major, minor = sys.version_info[:2]
            sys.exit(
                f"error: this Python has no {module} module, which makes virtual environments. On "
                f"Debian and Ubuntu: sudo apt install python{major}.{minor}-venv. Elsewhere, use a "
                "Python that has it."
            )
    print(f"making {VENV}", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False).returncode:
        # Half a virtual environment would be taken for a damaged one: leave none.
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit("error: the virtual environment could not be made; the message is above")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
