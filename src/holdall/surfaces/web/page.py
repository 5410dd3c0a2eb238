"""What a page is: a template, and the facts that it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from holdall.surfaces.web.addresses import Query

if TYPE_CHECKING:
    from holdall.surfaces.web.site import Site


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or a fragment of one.

    Attributes:
        template: The name of its template.
        title: What the browser calls it.
        facts: What the template shows, by name: plain values.
        status: Of the HTTP answer.
    """

    template: str
    title: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Body:
    """An answer that is no HTML page of ours: data for a script, or the bytes of an artifact.

    Attributes:
        content: The bytes.
        media_type: What they are.
        headers: More headers of the answer; they stand instead of those that every answer has.
        status: Of the HTTP answer.
        blocks: The bytes of a long answer instead, block by block, each asked for when the one before was sent.
    """

    content: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    blocks: Iterable[bytes] | None = None


Draw: TypeAlias = "Callable[[Site, Query], Page | Body]"
Pages: TypeAlias = Mapping[str, Draw]
"""Which function draws a page, by the page's name in `addresses.PATHS`."""
