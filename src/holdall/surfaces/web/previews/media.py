"""Sound and film, by their first bytes: the browser's own player fetches what it plays."""

from __future__ import annotations

from holdall.surfaces.web.previews.sample import Preview, Sample


def fits(sample: Sample) -> bool:
    """Return whether it is sound or film that browsers play."""
    return (sample.media_type or "").startswith(("audio/", "video/"))


def show(sample: Sample) -> Preview:
    """Show a player, which fetches nothing before it is started."""
    kind = sample.media_type or ""
    return Preview(kind, "media.html", {"sound": kind.startswith("audio/")})
