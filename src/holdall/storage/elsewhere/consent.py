"""Which addresses a reader may ask for content elsewhere.

Who may write into a bucket may write a reference to anything: to a file of the
reader's machine, to a server that only the reader's network reaches. So what is
asked is the reader's to say, by the beginnings of addresses. Where nothing is
said that is object stores, which the reader's own credentials open, and what is
in this process's memory. Never files, never other servers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from holdall.errors import InvalidURIError, ReferenceRefusedError

SCHEMES: Final = ("s3", "gs", "gcs", "az", "abfs", "memory", "file", "https", "http")
_BUCKET: Final = re.compile(r"[A-Za-z0-9._@-]+")
_UNASKED: Final = ("s3://", "gs://", "gcs://", "az://", "abfs://", "memory://")
Given: TypeAlias = Sequence[str] | Mapping[str, Mapping[str, Any] | None] | None


@dataclass(frozen=True, slots=True)
class Consent:
    """Beginnings of addresses that may be asked, each with the options of its storage library."""

    prefixes: tuple[tuple[str, Mapping[str, Any]], ...]

    @classmethod
    def of(cls, given: Given) -> Consent:
        """Return what a list of beginnings, or a mapping of them to options, allows; the usual ones when None.

        Raises:
            InvalidURIError: One is no beginning of an address.
            TypeError: It is one text, of which each letter would be a beginning.
        """
        if isinstance(given, str):
            raise TypeError("references is a list of beginnings of addresses, such as ['s3://data/'], not a text")
        named = _UNASKED if given is None else given
        options = named if isinstance(named, Mapping) else dict.fromkeys(named)
        return cls(tuple((_checked(prefix), dict(options[prefix] or {})) for prefix in options))

    def options_for(self, uri: str) -> Mapping[str, Any]:
        """Return the options for an address: those of the longest beginning that fits it.

        Raises:
            ReferenceRefusedError: None does.
        """
        fitting = [(prefix, options) for prefix, options in self.prefixes if _fits(uri, prefix)]
        if not fitting or not _is_plain(uri):
            raise ReferenceRefusedError(uri)
        return max(fitting, key=lambda pair: len(pair[0]))[1]

    def options_to_log(self, uri: str) -> Mapping[str, Any]:
        """Return the options for an address that its user named: no consent is needed, but it must be one."""
        split_uri(uri)
        fitting = [(prefix, options) for prefix, options in self.prefixes if _fits(uri, prefix)]
        return max(fitting, key=lambda pair: len(pair[0]), default=("", {}))[1]


def split_uri(uri: str) -> tuple[str, str]:
    """Return the root of a place, such as `s3://bucket`, and the key of an object or folder in it.

    Raises:
        InvalidURIError: It is no address that content can be referenced by.
    """
    scheme, colon, rest = uri.partition("://")
    scheme = scheme.lower()
    if not colon or scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise InvalidURIError(uri, f"content elsewhere has an address that begins with one of {known}")
    place, _, key = rest.partition("/")
    if scheme == "file":
        if place not in ("", "localhost"):
            raise InvalidURIError(uri, "file:// has three slashes before an absolute path")
        place, key = "", unquote(key)
    elif not place or ("@" in place and scheme != "abfs"):
        raise InvalidURIError(uri.split("@")[-1], "a bucket or server belongs after the ://, without credentials")
    elif scheme not in ("http", "https") and not _BUCKET.fullmatch(place):  # fsspec takes `::` for a chain of systems
        raise InvalidURIError(uri, "no bucket has such a name")
    if not key and scheme != "s3":
        raise InvalidURIError(uri, "the name of an object or folder is missing")
    if not uri.isprintable() or not _is_plain(uri):
        raise InvalidURIError(uri, "it has a . or .. for a name, a ? or #, or what cannot be printed")
    return f"{scheme}://{place}", key


def _checked(prefix: str) -> str:
    scheme, colon, _ = prefix.partition("://")
    if not colon or scheme.lower() not in SCHEMES:
        raise InvalidURIError(prefix, "what references may be read begins with a scheme, such as s3://data/")
    return f"{scheme.lower()}{prefix[len(scheme) :]}"


def _fits(uri: str, prefix: str) -> bool:
    """Return whether an address is a beginning itself or lies below it: s3://data is none of s3://data-of-others."""
    scheme, _, rest = uri.partition("://")
    text = f"{scheme.lower()}://{rest}"
    if scheme.lower() == "file":  # the same file may be spelled in many ways
        text, prefix = unquote(text), unquote(prefix)
    return text.startswith(prefix) and (prefix.endswith("/") or text[len(prefix) :][:1] in ("", "/"))


def _is_plain(uri: str) -> bool:
    """Return whether no part of an address leads elsewhere than it says."""
    scheme, _, rest = uri.partition("://")
    if scheme.lower() not in ("file", "http", "https"):
        return True  # keys of buckets are names, in which nothing has a meaning
    parts = re.split(r"[/\\]", unquote(rest))  # `..%2f` too: servers decode it before they look what it leads to
    return not set(rest) & set("?#\\") and not {".", ".."} & {part.partition(";")[0] for part in parts}
