"""`holdall.autolog()`: each framework that can log by itself, at once or as soon as a script imports it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from holdall.integrations.autologging import sklearn

_FRAMEWORKS: dict[str, Callable[..., None]] = {"sklearn": sklearn.autolog}


def autolog(
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    log_traces: bool = True,  # noqa: ARG001  # MLflow's; there are no traces
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,
    silent: bool = False,
    extra_tags: dict[str, str] | None = None,
    exclude_flavors: list[str] | None = None,
) -> None:
    """Log each `fit` of scikit-learn from now on, as `holdall.sklearn.autolog` does, if the script imports it.

    The other frameworks have callbacks and loggers that are given to their trainers: `holdall guide training`.

    Args:
        log_input_examples, log_model_signatures, log_models, log_datasets, exclusive, silent, extra_tags: As for
            `holdall.sklearn.autolog`.
        log_traces, disable_for_unsupported_versions: Accepted for MLflow's sake.
        disable: Log nothing by itself from now on.
        exclude_flavors: Names of frameworks that are left as they are.

    Example:
        >>> holdall.autolog(log_models=False, silent=True)
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        >>> holdall.autolog(disable=True)
        >>> holdall.last_active_run().data.tags["estimator_name"]
        'LinearRegression'
    """
    options: dict[str, Any] = {
        "log_input_examples": log_input_examples,
        "log_model_signatures": log_model_signatures,
        "log_models": log_models,
        "log_datasets": log_datasets,
        "disable": disable,
        "exclusive": exclusive,
        "disable_for_unsupported_versions": disable_for_unsupported_versions,
        "silent": silent,
        "extra_tags": extra_tags,
    }
    for name, switch in _FRAMEWORKS.items():
        if name in (exclude_flavors or ()):
            continue
        _later.waiting.pop(name, None)
        if disable or name in sys.modules:
            switch(**options)
        else:
            _later.waiting[name] = partial(switch, **options)
    _later.listen()


class _Later(MetaPathFinder):
    """Switches a framework's autologging on when it has been imported."""

    def __init__(self) -> None:
        self.waiting: dict[str, Callable[[], None]] = {}

    def listen(self) -> None:
        """Look at imports as long as something waits for one."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        if self.waiting:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's own spec, whose loader goes on to switch it on; None of all other modules."""
        switch = self.waiting.pop(fullname, None)
        if switch is None:
            return None
        found = find_spec(fullname)  # by the other finders, as nothing waits for it any more
        if found and (loader := found.loader):
            load = loader.exec_module

            def load_and_switch(module: ModuleType) -> None:
                load(module)
                switch()

            loader.exec_module = load_and_switch  # type: ignore[method-assign]  # of this loader, for this module
        return found


_later = _Later()
