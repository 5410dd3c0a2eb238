"""`holdall guide`: the user's guide, shipped with the package."""

from __future__ import annotations

from importlib.resources import files

import click
from click.shell_completion import CompletionItem

from holdall.surfaces.cli.program import meant, program
from holdall.surfaces.cli.table import show_table
from holdall.surfaces.cli.writer import page

_ORDER = (
    *("start", "runs", "training", "ranks", "artifacts", "search", "models", "registry", "references", "lineage"),
    *(
        "files",
        "serving",
        "ui",
        "command-line",
        "s3",
        "access",
        "encryption",
        "signing",
        "cores",
        "safety",
        "space",
        "retention",
    ),
    "sharing",
    *("copies", "testing", "pipelines", "mlflow", "moving", "terms"),
)


def pages() -> dict[str, str]:
    """Return every page's text by subject, in the order of reading."""
    folder = files("holdall") / "guide"
    found = {
        page.name.removesuffix(".md"): page.read_text(encoding="utf-8")
        for page in folder.iterdir()
        if page.name.endswith(".md")
    }
    return dict(sorted(found.items(), key=lambda pair: (*_ORDER, pair[0]).index(pair[0])))


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(subject) for subject in pages() if subject.startswith(incomplete)]


@program.command("guide")
@click.argument("subject", required=False, shell_complete=_complete)
def guide(subject: str | None) -> None:
    """List the pages of the guide, or print one of them.

    \b
    Example: holdall guide search
    """
    found = pages()
    if subject is None:
        show_table([[name, text.splitlines()[0].removeprefix("# ")] for name, text in found.items()])
        return
    if subject not in found:
        raise click.UsageError(f"the guide has no subject {subject!r}{meant(subject, found)}")
    page(found[subject])
