"""A content-addressed artifact store for machine learning that needs only a bucket.

    import holdall

    holdall.set_store("s3://bucket/experiments")
    with holdall.start_run() as run:
        holdall.log_artifact("model.pt")
    holdall.artifacts.download_artifacts(f"runs:/{run.run_id}", dst_path="elsewhere")

`holdall guide` shows the guide; importing holdall loads nothing until a name is used. (To pytest, which would warn
where this was imported before its fixtures were found: PYTEST_DONT_REWRITE.)
"""

# The stub beside this file, `__init__.pyi`, says each public name and where it is defined: for type checkers,
# for editors, and for this module, which reads it when the first name is used.

import os
from importlib import import_module

_homes: dict[str, tuple[str, str]] = {}  # public name -> the module that defines it, and its name there


def __getattr__(name: str) -> object:
    """Look a public name up where the stub says that it is defined, and keep it."""
    homes = _homes or _read_stub()
    if name in homes:
        value = _load(*homes[name])
    elif name == "__all__":
        value = sorted(homes.keys() - {"open"})  # `from holdall import *` must not take the builtin's place
    elif name == "__version__":
        value = import_module("importlib.metadata").version("holdall")
    else:
        raise AttributeError(import_module("holdall.missing_names").explain("holdall", name, homes), name=name)
    return globals().setdefault(name, value)


def __dir__() -> list[str]:
    """List what is a user's: not the inner modules, which are attributes once they are imported."""
    dunders = {name for name in globals() if name.startswith("__")}
    return sorted({*dunders, *(_homes or _read_stub()), "__all__", "__version__"})


def _load(module: str, name: str) -> object:
    """Import a module of this package, or one name of a module."""
    return import_module(f"holdall.{name}") if module == "holdall" else getattr(import_module(module), name)


def _read_stub() -> dict[str, tuple[str, str]]:
    """Read the stub's imports, line by line: Python's own parser would cost more than all else here."""
    stub = os.path.join(os.path.dirname(__file__), "__init__.pyi")  # noqa: PTH118, PTH120  # pathlib takes 5 ms to load
    module, homes = "", {}
    for line in __spec__.loader.get_data(stub).decode().splitlines():  # the loader's, so that a zip will do
        if line.startswith("from "):
            _, module, _, line = line.split(" ", 3)
        elif not line.startswith("    "):
            module = ""
        for part in line.strip("() ").split(",") if module else ():
            if words := part.split():  # `name`, or `name as name`
                homes[words[0]] = module, words[0]
    _homes.update(homes)  # at once, for other threads
    return _homes
