"""What must not travel with a model, because everybody who may load it can read it.

Requirements and channels lose what opens the place they come from and stay
addresses: pip and conda find credentials by themselves where they belong, in
`~/.netrc`, a keyring, or the environment. Code is often a whole repository, and
what lies beside it for one machine alone is left out by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from holdall.runs.masking import is_secret_name, mask_text, without_credentials
from holdall.terminal import warn

_FOLDERS: Final = frozenset(
    (".git", ".hg", ".svn", ".ssh", ".aws", ".azure", ".gcloud", ".gnupg", ".docker", ".kube", ".password-store")
)
_FILES: Final = (
    *(
        ".env",
        ".env.*",
        "*.env",
        ".envrc",
        ".netrc",
        "_netrc",
        ".pgpass",
        ".my.cnf",
        ".pypirc",
        ".npmrc",
        ".yarnrc.yml",
    ),
    *(".git-credentials", ".gitconfig", ".dockercfg", ".htpasswd", ".boto", ".s3cfg", ".vault-token", ".terraformrc"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk", "*.ppk"),
    *("*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.tfstate", "*.tfstate.backup", "*.tfvars"),
    *("credentials", "credentials.*", "client_secret*.json", "service[-_]account*.json", "kaggle.json", "token.json"),
    *("application_default_credentials.json", "secrets.json", "secrets.y*ml", "secrets.toml", "secrets.ini"),
)
_CODE: Final = (".py", ".pyi", ".ipynb")  # credentials.py is a module
_PATTERNS: Final = ("*.example", "*.sample", "*.template", "*.dist", "example.env", "sample.env", "template.env")
_KEYS: Final = (".pem", ".key", ".crt", ".cer", ".asc")
_READ: Final = 1 << 20  # bytes of a file that may hold a key
_HOST: Final = re.compile(r"://(?:[^\s/?#]*@)?([^\s/?#]+)")


def is_private(path: Path) -> bool:
    """Whether a file or folder holds credentials, by its name; of what may be a certificate alone, by its content."""
    name = path.name.lower()
    if name in _FOLDERS:
        return True
    if name.endswith(_CODE) or any(fnmatchcase(name, pattern) for pattern in _PATTERNS) or path.is_dir():
        return False
    if name.endswith(_KEYS):
        return _holds_a_key(path)
    return any(fnmatchcase(name, pattern) for pattern in _FILES)


def warn_of_private(paths: Iterable[str]) -> None:
    """Say what was left out, if anything was."""
    if left := sorted(paths):
        shown = ", ".join(map(repr, left[:5])) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        warn(
            f"code_paths: {shown} may hold credentials and was left out; what the model needs of it goes to artifacts=",
            UserWarning,
            stacklevel=2,
        )


def public_lines(lines: Iterable[str]) -> list[str]:
    """Return requirements without credentials; warns, and says how pip finds them."""
    given = list(lines)
    public = [without_credentials(line) for line in given]
    _warn([line for line, kept in zip(given, public, strict=True) if line != kept])
    return public


def public_environment(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return an environment of conda without credentials, in its channels, requirements and variables; warns."""
    changed: list[str] = []
    public: dict[str, Any] = _public(environment, changed)
    _warn(changed)
    return public


def warn_of_secrets(what: str, values: Any) -> None:
    """Say which of a model's facts look like credentials. They stay: a model may not work without them."""
    if found := list(dict.fromkeys(_secrets(values, ""))):
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        warn(
            f"{what} of this model seems to hold credentials ({shown}), which all its readers can see, for good; let "
            "the model read them from the environment where it runs",
            stacklevel=2,
        )


# --- inside ---


def _secrets(value: Any, name: str) -> Iterator[str]:
    """Yield the names under which credentials stand, by these names or by the values' own look."""
    match value:
        case str():
            by_name = bool(value) and not value.startswith(("$", "{")) and is_secret_name(name.rpartition(".")[2])
            if by_name or mask_text(value) != value:
                yield name or "a text"
        case Mapping():
            for key, item in value.items():
                yield from _secrets(item, f"{name}.{key}" if name else str(key))
        case list() | tuple():
            for item in value:
                yield from _secrets(item, name)


def _public(value: Any, changed: list[str]) -> Any:
    match value:
        case str():
            kept = without_credentials(value)
            changed += [value] if kept != value else []
            return kept
        case Mapping():
            found = {key: _public(item, changed) for key, item in value.items()}
            secret = [key for key, item in found.items() if isinstance(item, str) and is_secret_name(str(key))]
            changed += secret
            return {key: item for key, item in found.items() if key not in secret}
        case list() | tuple():
            return [_public(item, changed) for item in value]
    return value


def _warn(changed: Iterable[str]) -> None:
    """Name the places, never what was taken out."""
    places = dict.fromkeys(found[1] if (found := _HOST.search(line)) else "a variable or line" for line in changed)
    if places:
        warn(
            f"credentials for {', '.join(places)} were left out of the model's requirements, which all its readers can "
            "see; where it is installed, pip finds them in ~/.netrc, a keyring, or ${VARIABLES} in the address",
            UserWarning,
            stacklevel=2,
        )


def _holds_a_key(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"PRIVATE KEY" in file.read(_READ)
    except OSError:  # what cannot be read is told when it is copied
        return False
