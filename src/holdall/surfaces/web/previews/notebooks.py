"""Notebooks: their cells, with what these printed and drew. HTML among it is not shown: it may do anything."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from markupsafe import Markup

from holdall.surfaces.web.markdown import as_html
from holdall.surfaces.web.previews import pictures
from holdall.surfaces.web.previews.jsons import parse
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample
from holdall.surfaces.web.sniffing import media_type_of
from holdall.terminal import printable_lines

_CELLS: Final = 300
_OUTPUTS: Final = 20  # of a cell
_LONGEST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Output:
    """Something that a cell gave.

    Attributes:
        text: Or
        picture: A data URL, and
        points: How many it has when it is drawn; or
        left_out: A kind that is not shown.
    """

    text: str = ""
    picture: str = ""
    points: int = 0
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell. Attributes: kind ("code", "markdown" or "raw"), source, html (of Markdown), outputs, count."""

    kind: str
    source: str
    html: Markup
    outputs: tuple[Output, ...]
    count: str


def fits(sample: Sample) -> bool:
    """Return whether it is called so."""
    return sample.suffix == ".ipynb" and sample.is_text


def show(sample: Sample) -> Preview:
    """Show its cells."""
    body = parse(sample.whole().decode(errors="replace"))
    cells = body.get("cells") if isinstance(body, dict) else None
    if not isinstance(cells, list):
        raise NoPreview("it is shown as text, as it has no cells")
    shown = list(_drawable(_cell(cell) for cell in cells[:_CELLS] if isinstance(cell, dict)))
    notes = (f"these are the first {_CELLS} of {len(cells)} cells",) if len(cells) > _CELLS else ()
    return Preview("notebook", "notebook.html", {"cells": shown}, notes)


def _drawable(cells: Iterable[Cell]) -> Iterator[Cell]:
    """Yield cells with as many of their pictures as a browser has memory for: all of them stand on one page."""
    left = pictures.MOST
    for cell in cells:
        outputs = []
        for one in cell.outputs:
            left -= one.points
            outputs.append(one if left >= 0 or not one.picture else Output(left_out="pictures, as they are too large"))
        yield replace(cell, outputs=tuple(outputs))


def _cell(cell: Mapping[str, Any]) -> Cell:
    kind, source = str(cell.get("cell_type")), _text(cell.get("source"))
    kind = kind if kind in ("code", "markdown") else "raw"
    outputs = cell.get("outputs") if kind == "code" else None
    found = [one for one in outputs[:_OUTPUTS] if isinstance(one, dict)] if isinstance(outputs, list) else []
    count = cell.get("execution_count")
    html = as_html(source) if kind == "markdown" else Markup("")
    return Cell(kind, source, html, tuple(each for one in found for each in _outputs(one)), _number(count))


def _number(count: Any) -> str:
    return str(count) if type(count) is int and 0 <= count < 10**9 else " "


def _outputs(output: Mapping[str, Any]) -> Iterator[Output]:
    match output.get("output_type"):
        case "stream":
            yield Output(_text(output.get("text")))
        case "error":
            yield Output(_text(output.get("traceback"), between="\n") or _text(output.get("evalue")))
        case _:
            data = output.get("data")
            if isinstance(data, dict):
                yield from _richest(data)


def _richest(data: Mapping[str, Any]) -> Iterator[Output]:
    """Yield the picture of an output if it has one, else its text; and name what is not shown."""
    if picture := next((found for kind in ("image/png", "image/jpeg") if (found := _picture(data.get(kind)))), None):
        yield picture
        return
    if plain := _text(data.get("text/plain")):
        yield Output(plain)
    if lively := sorted(str(kind)[:60] for kind in data if kind != "text/plain"):
        yield Output(left_out=", ".join(lively[:5]))


def _picture(given: Any) -> Output | None:
    """Return a picture as a data URL, where it is one and not too large."""
    try:
        data = base64.b64decode(_joined(given, "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        return None
    kind = media_type_of(data)
    size = pictures.dimensions(data, kind) if kind else None
    if not size or not 0 < size[0] * size[1] <= pictures.MOST:
        return None
    return Output(picture=f"data:{kind};base64,{base64.b64encode(data).decode()}", points=size[0] * size[1])


def _joined(given: Any, between: str) -> str:
    if isinstance(given, list):
        return between.join(one for one in given if isinstance(one, str))
    return given if isinstance(given, str) else ""


def _text(given: Any, between: str = "") -> str:
    text = _joined(given, between)
    return printable_lines(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
