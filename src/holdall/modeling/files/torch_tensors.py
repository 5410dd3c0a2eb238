"""Tensors that are less, or more, than they look: what must be seen to before they are written.

A tensor may be a view that is conjugated or negated only when it is read, have no content
at all (on the device "meta", or as a stand-in), or be a small part of a large storage. Files
of weights have bytes and a dtype, so the first is worked out, the second refused, and of the
third the part alone is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from holdall.modeling.signatures import duck_types


def settled(tensor: Any) -> Any:
    """Return the tensor with its values in its bytes."""
    return tensor.resolve_conj().resolve_neg()


def is_unsettled(tensor: Any) -> bool:
    """Whether its values are not what its bytes say."""
    return bool(tensor.is_conj() or tensor.is_neg())


def refuse_empty(named: Iterable[tuple[str, Any]]) -> None:
    """Refuse tensors without content, which would be READY without weights.

    Raises:
        ValueError: There is one; its name is told.
    """
    for name, tensor in named:
        if duck_types.has_no_content(tensor):
            raise ValueError(
                f"{name} has a shape but no content (it is on the device {tensor.device}, of type "
                f"{type(tensor).__name__}): load the weights first"
            )


def tensors_in(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Return all tensors in dictionaries, lists and tuples, with where they stand."""
    if duck_types.is_a(value, "torch", "Tensor"):
        return [(name or "the tensor", value)]
    if isinstance(value, Mapping):
        return [each for key, part in value.items() for each in tensors_in(part, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list | tuple):
        return [each for n, part in enumerate(value) for each in tensors_in(part, f"{name}[{n}]")]
    return []


def compact(torch: Any, value: Any) -> Any:
    """The same dictionaries, lists and tuples, where tensors that are a part of a larger storage have one of their own.

    What shares all of a storage goes on sharing it.
    """
    used: dict[int, dict[int, int]] = {}
    plain = [each for _, each in tensors_in(value) if _is_plain(torch, each)]
    for each in plain:
        used.setdefault(_storage(each), {})[id(each)] = each.numel() * each.element_size()
    parts = {id(each) for each in plain if sum(used[_storage(each)].values()) < each.untyped_storage().nbytes()}
    made: dict[int, Any] = {}
    return _replaced(value, parts, made) if parts else value


@contextmanager
def own_storages(torch: Any, module: Any) -> Iterator[None]:
    """Give each weight that is a part of a larger storage one of its own, for a while: a pickle has storages whole.

    What shares its storage with another tensor of the module keeps it, so that they share it when they are loaded.
    """
    inside = [each for part in module.modules() for each in vars(part).values() if isinstance(each, torch.Tensor)]
    held = {id(each): each for each in [*module.parameters(), *module.buffers(), *inside]}
    plain = [each for each in held.values() if each.layout is torch.strided and not each.is_quantized]
    users = Counter(map(_storage, plain))
    parts = [
        (each, each.data)
        for each in plain
        if users[_storage(each)] == 1 and each.numel() * each.element_size() < each.untyped_storage().nbytes()
    ]
    try:
        for tensor, data in parts:
            tensor.data = data.clone()
        yield
    finally:
        for tensor, data in parts:
            tensor.data = data


def _replaced(value: Any, parts: set[int], made: dict[int, Any]) -> Any:
    if id(value) in parts:
        if id(value) not in made:
            made[id(value)] = value.detach().clone().requires_grad_(value.requires_grad)
        return made[id(value)]
    if type(value) in (list, tuple):
        return type(value)(_replaced(each, parts, made) for each in value)
    if isinstance(value, Mapping):
        found = {key: _replaced(each, parts, made) for key, each in value.items()}
        return found if type(value) is dict else type(value)(found)  # type: ignore[call-arg]  # as OrderedDict is made
    return value


def _is_plain(torch: Any, tensor: Any) -> bool:
    return type(tensor) is torch.Tensor and tensor.layout is torch.strided and not tensor.is_quantized


def _storage(tensor: Any) -> int:
    return int(tensor.untyped_storage()._cdata)
