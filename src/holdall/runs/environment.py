"""What ran where: the facts beside a run that its numbers depend on.

Half a year later one asks why a run cannot be repeated, and the answer is
a driver, a version, or a changed file that was not written down. So each run
writes them down by itself, once, when it starts.

    programs    git x 4, nvidia-smi x 2    started first, side by side, under one deadline
    meanwhile   what this process knows    Python, distributions, host, command
    then        the programs' answers, or a sentence on why there is none

What cannot be had never stops a run: the fact is null, and the entry named like
the program says why. No value of an environment variable is kept, and every
text has gone through `masking`. The environment is read here, besides in
`settings`, for one purpose: the programs get a copy of it, less the variables
that show git another repository, and less our own. This module writes nothing and asks no network.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from holdall.runs.masking import mask_all, mask_arguments

Facts: TypeAlias = dict[str, Any]

_PATIENCE: Final = 4.0  # seconds that all programs together may take
_OK, _ABSENT = "ok", "not found"

_GIT: Final = {
    "commit": ("rev-parse", "--verify", "--quiet", "HEAD"),
    "branch": ("symbolic-ref", "--quiet", "--short", "HEAD"),
    "remotes": ("config", "--get-regexp", r"^remote\..*\.url$"),
    "changes": ("status", "--porcelain", "--untracked-files=normal", "--no-renames"),
}
_NVIDIA: Final = {
    "gpus": ("--query-gpu=name,memory.total,uuid,driver_version", "--format=csv,noheader,nounits"),
    "header": (),
}
# A hook of git starts programs with these; they name its repository, not ours.
_GIT_VARIABLES: Final = {
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG"),
}
_OURS: Final = "HOLDALL_"  # which may be what opens an encrypted store: no program needs to know
_NO_PROMPTS: Final = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}


def capture(*, argv: Sequence[str], cwd: Path, path: str | None = None) -> Facts:
    """Return what runs here now, as a JSON value without credentials.

    Args:
        argv: The command line, as `sys.argv` has it.
        cwd: The folder that the command was given in.
        path: Where to look for git and nvidia-smi, as in PATH; the process's own when None.

    Returns:
        `python`, `platform`, `host`, `process`, `git`, `repository`, `nvidia-smi`, `gpus`,
        `driver_version`, `cuda_version`, `distributions` and `direct_requirements`. A fact that
        could not be had is null or empty; `git` and `nvidia-smi` are `ok`, or say why.

    Cost: about 20 ms with git, 130 ms more the first time in a process with 300 distributions,
    and what nvidia-smi takes; at most some 4 seconds when a program hangs.
    """
    entry = _entry(argv, cwd)
    root = (_root(entry.parent) if entry and not _is_installed(entry) else None) or _root(cwd)
    deadline = time.monotonic() + _PATIENCE
    git, nvidia = _Program("git", path), _Program("nvidia-smi", path)
    try:
        if root:
            git.ask({name: ("-C", str(root), "-c", "core.fsmonitor=false", *words) for name, words in _GIT.items()})
        nvidia.ask(_NVIDIA)
        names, direct = _distributions(tuple((folder, _modified(folder)) for folder in sys.path))
        facts: Facts = {"python": _python(), "platform": _platform(), "host": _host()}
        facts["process"] = _process(argv, _shortened(entry, root, cwd) if entry else None)
        facts |= _repository(git, deadline) if root else {"git": "no repository", "repository": None}
        facts |= _gpus(nvidia, deadline)
    finally:
        git.stop()
        nvidia.stop()
    return {**mask_all(facts), "distributions": dict(names), "direct_requirements": list(direct)}


def mlflow_tags(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that MLflow gives a run by itself, made from what is kept of what `capture` returned."""
    process, repository = environment.get("process") or {}, environment.get("repository") or {}
    notebook = process.get("source_type") == "NOTEBOOK" and process.get("entry_script")
    named = notebook or (next(iter(process["command"]), "") or "<console>" if "command" in process else None)
    tags = {
        "mlflow.user": (environment.get("host") or {}).get("user"),
        "mlflow.source.name": named if "entry_script" in process else None,
        "mlflow.source.type": process.get("source_type"),
        "mlflow.source.git.commit": repository.get("commit"),
    }
    return {key: value for key, value in tags.items() if value}


# --- programs -------------------------------------------------------------------


def _may_know(name: str) -> bool:
    return name not in _GIT_VARIABLES and not name.startswith(_OURS)


class _Program:
    """A program that is asked several things at once; it has no input and no terminal.

    Attributes: report, `ok` or what went wrong.
    """

    def __init__(self, name: str, path: str | None) -> None:
        found = shutil.which(name, path=path)
        self._program = os.path.abspath(found) if found else None  # noqa: PTH100  # its name is kept, links and all
        self._name, self._asked = name, dict[str, subprocess.Popen[str]]()
        self.report = _OK if found else _ABSENT

    def ask(self, questions: Mapping[str, Sequence[str]]) -> None:
        """Start one process for each question; its value is the arguments."""
        inherited = {name: value for name, value in os.environ.items() if _may_know(name)}
        for question, words in questions.items() if self._program else ():
            try:
                self._asked[question] = subprocess.Popen(
                    [str(self._program), *words],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    env=inherited | _NO_PROMPTS,
                    start_new_session=True,  # no terminal to ask for a password, and one group to kill
                )
            except (OSError, ValueError) as error:
                self._complain(f"cannot be started: {error}")

    def answer(self, question: str, deadline: float, *, silence: int = 0) -> str | None:
        """Return what it printed, or None with a new `report`; an exit as `silence` with no output is an empty one."""
        if (process := self._asked.get(question)) is None:
            return None
        try:
            printed, complaint = process.communicate(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._complain(f"no answer within {_PATIENCE:g} seconds")
            return None
        if process.returncode and (process.returncode != silence or complaint):
            line = next(iter((complaint.strip() or printed.strip()).splitlines()), "")
            self._complain(f"exit status {process.returncode}" + (f": {line}" if line else ""))
            return None
        return printed.strip("\n")

    def stop(self) -> None:
        """Kill what still runs, and wait for nothing: a driver that hangs cannot even be killed."""
        for process in self._asked.values():
            if process.poll() is None:
                _kill(process)
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()

    def _complain(self, problem: str) -> None:
        self.report = problem if self.report == _OK else self.report


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and all that it started."""
    with suppress(OSError, subprocess.TimeoutExpired):  # it is gone, or never will be
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=0.5)


def _repository(git: _Program, deadline: float) -> Facts:
    """Return commit, branch, remote, and whether files differ from the commit."""
    said = {name: git.answer(name, deadline, silence=1) for name in _GIT}
    if said["commit"] is None and said["branch"] is None:
        return {"git": git.report, "repository": None}
    changes = None if said["changes"] is None else said["changes"].splitlines()
    untracked = None if changes is None else sum(line.startswith("??") for line in changes)
    facts = {
        "commit": said["commit"] or None,
        "branch": said["branch"] or None,
        "remote": _remote(said["remotes"] or ""),
        "dirty": None if changes is None else len(changes) != untracked,
        "untracked": untracked,
    }
    return {"git": git.report, "repository": facts}


def _remote(listed: str) -> str | None:
    """Return the URL of `origin`, or else of the remote that was named first."""
    urls = dict(reversed([line.split(" ", 1) for line in listed.splitlines() if " " in line]))
    return urls.get("remote.origin.url") or next(reversed(urls.values()), None)


def _gpus(nvidia: _Program, deadline: float) -> Facts:
    """Return the GPUs of this machine, whatever CUDA_VISIBLE_DEVICES hides of them."""
    listed, header = nvidia.answer("gpus", deadline), nvidia.answer("header", deadline)
    rows = [row for line in (listed or "").splitlines() if len(row := line.rsplit(", ", 3)) == 4]
    cuda = re.search(r"CUDA Version\s*:\s*(\d[\d.]*)", header or "")
    report = listed.splitlines()[0] if listed and not rows else nvidia.report
    return {
        "nvidia-smi": report,
        "gpus": [{"name": name, "memory_bytes": _mebibytes(size), "uuid": uuid} for name, size, uuid, _ in rows],
        "driver_version": rows[0][3] if rows else None,
        "cuda_version": cuda[1] if cuda else None,
    }


def _mebibytes(text: str) -> int | None:
    return int(text) << 20 if text.isdecimal() else None  # `[N/A]` where memory is the host's


# --- the script -----------------------------------------------------------------


def _process(argv: Sequence[str], script: str | None) -> Facts:
    """Return what was started, and from where in the repository."""
    notebook = _notebook(argv)
    return {
        "pid": os.getpid(),
        "command": mask_arguments(argv),
        "entry_script": script if notebook is None else notebook or None,
        "source_type": "LOCAL" if notebook is None else "NOTEBOOK",
    }


def _entry(argv: Sequence[str], cwd: Path) -> Path | None:
    """Return the file that was started, if it is one."""
    entry = os.path.realpath(cwd / argv[0]) if argv and "\0" not in argv[0] else ""
    return Path(entry) if os.path.isfile(entry) else None  # noqa: PTH113  # never raises, as Path.is_file may


def _is_installed(entry: Path) -> bool:
    """Return whether it is a program of this Python: where it lies says nothing about the code it runs."""
    homes = (sysconfig.get_path(name) for name in ("scripts", "purelib", "platlib", "stdlib"))
    return any(entry.is_relative_to(os.path.realpath(home)) for home in homes if home)


def _root(folder: Path) -> Path | None:
    """Return the nearest folder with a repository, from here upwards."""
    here = Path(os.path.realpath(folder))
    return next((at for at in (here, *here.parents) if os.path.exists(at / ".git")), None)  # noqa: PTH110  # as above


def _shortened(entry: Path, root: Path | None, cwd: Path) -> str:
    """Return the script's path from the repository's root, or the working folder; else its name."""
    for top in (root, Path(os.path.realpath(cwd))):
        if top and entry.is_relative_to(top):
            return entry.relative_to(top).as_posix()
    return entry.name


def _notebook(argv: Sequence[str]) -> str | None:
    """Return the notebook's name, "" if it is unknown, None outside of notebooks."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):
        return "" if argv and re.search(r"kernel_launcher|ipykernel", argv[0]) else None
    known = getattr(shell, "user_ns", {})
    names = (str(known.get(name, "")) for name in ("__vsc_ipynb_file__", "__session__"))
    return next((Path(name).name for name in names if name.endswith(".ipynb")), "")


# --- this process and its host --------------------------------------------------


def _python() -> Facts:
    executable = Path(sys.executable or "").name
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": executable or None,
    }


def _platform() -> Facts:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return {
        "os": name,
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
    }


def _host() -> Facts:
    return {
        "name": platform.node(),
        "user": _user(),
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "memory_bytes": _memory(),
    }


def _user() -> str:
    """Return the user by the system's records; USER and LOGNAME are not asked."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())  # a container's number without a name
    except ImportError:
        with suppress(OSError):
            return os.getlogin()
        return "unknown"


def _cpu() -> str:
    """Return the processor's model, or only its kind where the system does not tell."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            models = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
            return next(models, "") or platform.machine()
    except OSError:
        return platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


# --- distributions --------------------------------------------------------------


def _modified(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116  # "" is the working folder
    except (OSError, ValueError):
        return 0


@lru_cache(maxsize=2)
def _distributions(folders: tuple[tuple[str, int], ...]) -> tuple[Mapping[str, str], Sequence[str]]:
    """Return versions by name, and requirements that are URLs; read anew when a folder of `sys.path` changed."""
    import importlib.metadata  # 40 ms, and only here

    versions: dict[str, tuple[str, str]] = {}
    direct = []
    for found in importlib.metadata.distributions(path=[folder for folder, _ in folders]):
        try:
            name, version = _name_and_version(found)
            key = re.sub(r"[-_.]+", "-", name).lower()
            if key not in versions:  # what comes later on sys.path is not imported
                versions[key] = (name, version)
                direct += _direct(name, found.read_text("direct_url.json"))
        except Exception:  # metadata can be broken in any way, and is not ours to mend
            continue
    return dict(versions[key] for key in sorted(versions)), sorted(direct, key=str.lower)


def _name_and_version(found: Any) -> tuple[str, str]:
    """Return a distribution's name and version, without parsing the metadata as mail, which costs a millisecond."""
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or found.read_text("") or ""
    head = text.partition("\n\n")[0]
    name, version = (re.search(rf"^{field}:[ \t]*(\S+)", head, re.MULTILINE) for field in ("Name", "Version"))
    return (name[1], version[1]) if name and version else (str(found.metadata["Name"]), str(found.version))


def _direct(name: str, text: str | None) -> list[str]:
    """Return the requirement that direct_url.json (PEP 610) records, as pip would freeze it."""
    if not text:
        return []
    origin = json.loads(text)
    url, source = origin["url"], origin.get("vcs_info", {})
    if source:
        url = f"{source['vcs']}+{url}@{source['commit_id']}"
    if below := origin.get("subdirectory"):
        url += f"#subdirectory={below}"
    editable = origin.get("dir_info", {}).get("editable")
    return [str(mask_all(f"-e {url}" if editable else f"{name} @ {url}"))]
