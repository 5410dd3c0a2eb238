"""Pages to look at a store with, in a browser: `holdall ui`.

    addresses     the name of each page -> its address, and back from a query to checked values
    page          what a page is: a template, and the facts that it shows
    rendering     templates -> HTML, with the filters that they use
    site          what all pages share: the store, its index of runs, how links are made
    security      who may ask: hosts, token, origin; the headers of every answer
    answering     pages drawn in threads, and what is answered where that fails or takes too long
    static_files  scripts and sheets, from memory
    changes       what may be changed, where that is allowed; `change_forms` says how each form looks
    app           all that as an ASGI application
    server        one process that serves it, until a signal ends it
    exporting     the same pages as files of a static site; publishing writes them into a folder

and a module for each subject, whose `PAGES` says which functions draw which addresses.

**To add a page**: give its address a name in `addresses.PATHS`; write a function `(Site, Query) -> Page` in the module
of its subject, which reads the query by the verbs of `Query`, that bound and check it, asks `site.store`, and returns
a `Page` with the name of a template and plain values; add it to the module's `PAGES`, and the module to `app.SUBJECTS`.
The template extends `layout.html`. Every link in it is made by `url("name", key=value)`, so that the static export
draws the same templates. What a part of a page shows on its own (after a click, while a run goes on) is a page of its
own whose template is a fragment, which htmx puts in place.

**What a page must not do**: write into the store (only `changes` does), take what a bucket holds for HTML, use inline
scripts or styles (`security.POLICY` forbids them), hold more in memory than it shows, or ask a bucket once for
each of many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdall.libraries import library

if TYPE_CHECKING:
    from holdall.store import Store

_PACKAGES = ("jinja2", "markdown_it", "starlette", "uvicorn")


def serve_ui(
    opener: Callable[[], Store],
    *,
    host: str = "127.0.0.1",
    port: int = 5050,
    allow_changes: bool = False,
    allowed_hosts: Sequence[str] = (),
    always_token: bool = False,
    export: Path | None = None,
    experiment: str | None = None,
    run: str | None = None,
    dry_run: bool = False,
    say: Callable[[str], Any] = print,
) -> int:
    """Serve the pages of a store until a signal ends this process, or write them into a folder.

    Args:
        opener: Opens the store.
        host: The address to listen on.
        port: The port; 0 is any free one.
        allow_changes: Whether tags, descriptions and aliases may be changed, and runs deleted and restored.
        allowed_hosts: Names under which browsers may ask, beside those of this machine and `host`.
        always_token: Whether a token is needed here on this machine as well, where other people use it.
        export: A folder for a static site of the pages; then nothing is served.
        experiment, run: What of the store is exported: an experiment by name or id, or a run by id.
        dry_run: Whether the export is only told, and nothing is written.
        say: Is told where it listens, or what is exported.

    Returns:
        The exit code.

    Raises:
        MissingLibraryError: A package of the extra `ui` is missing.
        OSError: The port is taken.
        InvalidArgumentError: The folder holds something that is no export.
        NotFoundError: There is no such experiment or run.
    """
    for package in _PACKAGES:
        library(package, "holdall ui is a web server: pip install 'holdall[ui]'")
    if export is not None:
        from holdall.surfaces.web.publishing import publish

        return publish(opener(), export, experiment=experiment, run=run, dry_run=dry_run, say=say)
    from holdall.surfaces.web.server import serve

    return serve(
        opener,
        host=host,
        port=port,
        allow_changes=allow_changes,
        allowed_hosts=tuple(allowed_hosts),
        always_token=always_token,
        say=say,
    )
