"""Credentials of command lines that no name gives away: a password is what follows `-p`, but for one program only.

    curl -u alice:X https://host      any program: a name and a password, one word
    mysql -pX                         a few programs: an option that means a port or a path elsewhere
    wandb login X                     words that say what the next one is
    machine host login alice password X    netrc, and SQL's `IDENTIFIED BY 'X'`

What only looks like one stays: `docker run -u 1000:1000 -p 8080:80`, `python -u`, `train.py -p 8080`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

_WORD: Final = re.compile(r"""(?:"[^"\n]*"|'[^'\n]*'|[^\s;|&"'()`])+|[;|&\n()`"']""")
_ENDS: Final = frozenset(";|&\n()`\"'")
_PAIR: Final = re.compile(
    r"""["']?(?![A-Za-z]:[\\/]|\d+:\d+["']?$|[a-z][a-z0-9+.-]*://)[^\s:/="']{1,256}:[^\s"']+["']?"""
)
_PAIR_OPTIONS: Final = ("-u", "-U", "--user", "--proxy-user", "--userpwd", "--creds", "--credentials")
_STATEMENTS: Final = re.compile(
    r"""(?P<before>\bidentified\s+by\s+(?:password\s+)?|\blogin\s+\S+\s+password\s+)(?P<value>'[^']*'|"[^"]*"|(?!\*\*\*)\S+)""",
    re.IGNORECASE,
)


class _Program(NamedTuple):
    """Its options whose value is a password: as a word of its own, or glued to them; only after such a word."""

    parted: tuple[str, ...] = ()
    glued: tuple[str, ...] = ()
    only_after: str = ""


_PROGRAMS: Final[Mapping[str, _Program]] = {
    name: program
    for names, program in {
        "mysql mysqldump mysqladmin mysqlimport mysqlshow mysqlsh mariadb mariadb-dump mariadb-admin": _Program(
            glued=("-p",)
        ),
        "redis-cli valkey-cli keydb-cli": _Program(("-a",), ("-a",)),
        "docker podman nerdctl buildah skopeo helm oras crane az oc": _Program(("-p",), ("-p",), "login"),
        "sshpass mongo mongosh mongodump mongorestore mongoexport mongoimport": _Program(("-p",), ("-p",)),
        "ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami ldappasswd": _Program(("-w",), ("-w",)),
        "sqlcmd bcp zip unzip": _Program(("-P",), ("-P",)),
        "7z 7za 7zz 7zr rar unrar": _Program(glued=("-p",)),
        "curl": _Program(("-b",), ("-u", "-U")),
        "smbclient rpcclient": _Program(("-U",)),
    }.items()
    for name in names.split()
}
_SAYING: Final = (("wandb", "login"), ("aws", "configure", "set"), ("git", "config"), ("hf", "login"))


def mask_commands(text: str, mask: str, is_secret_name: Callable[[str], bool]) -> str:
    """Return a text without the credentials of the command lines in it."""
    text = _STATEMENTS.sub(rf"\g<before>{mask}", text)
    found = list(_WORD.finditer(text))
    words = [match[0] for match in found]
    inner = {n: _inside(word, mask, is_secret_name) for n, word in enumerate(words) if word[0] in "\"'" and " " in word}
    hidden = inner | hidden_words(words, mask, is_secret_name)
    kept, position = [], 0
    for n, word in sorted(hidden.items()):
        kept += [text[position : found[n].start()], word]
        position = found[n].end()
    return "".join(kept) + text[position:]


def hidden_words(words: Sequence[str], mask: str, is_secret_name: Callable[[str], bool]) -> dict[int, str]:
    """Return the replacements of the words that are credentials, by their indices."""
    hidden: dict[int, str] = {}
    for start, end in _commands(words):
        program, name = _program(words[start:end])
        for n in range(start, end):
            before = words[n - 1] if n > start else ""
            if glued := _glued(words[n], program, name):
                hidden[n] = words[n][: len(glued)] + mask
            elif _follows(words[n], before, program, name) or _said(words[start:n], words[n], is_secret_name):
                hidden[n] = mask
    return hidden


# --- inside ---


def _inside(word: str, mask: str, is_secret_name: Callable[[str], bool]) -> str:
    """Mask a word in quotes, which may be a command line of its own."""
    return word[0] + mask_commands(word[1:-1], mask, is_secret_name) + word[-1]


def _commands(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where commands begin and end."""
    start = 0
    for n, word in enumerate([*words, ";"]):
        if word in _ENDS:
            if n > start:
                yield start, n
            start = n + 1


def _program(words: Sequence[str]) -> tuple[_Program, str]:
    """Return the first program whose options are known, and its name."""
    for n, word in enumerate(words):
        name = word.strip("\"'").replace("\\", "/").rpartition("/")[2].removesuffix(".exe")
        program = _PROGRAMS.get(name)
        if program and (not program.only_after or program.only_after in words[n:]):
            return program, name
    return _Program(), ""


def _glued(word: str, program: _Program, name: str) -> str:
    """Return the option that a word is, with its value attached; "" if it is none."""
    long, equals, value = word.partition("=")
    if equals and long in _PAIR_OPTIONS and _PAIR.fullmatch(value):
        return long + equals
    for option in program.glued:
        value = word[len(option) :]
        if word.startswith(option) and value and (name != "curl" or _PAIR.fullmatch(value)):
            return option
    return ""


def _follows(word: str, before: str, program: _Program, name: str) -> bool:
    """Return whether a word is the value of the option before it."""
    if before in _PAIR_OPTIONS and _PAIR.fullmatch(word):
        return True
    if before not in program.parted or word.startswith("-"):
        return False
    parts = {"curl": "=", "smbclient": "%", "rpcclient": "%"}
    return parts.get(name, "") in word


def _said(before: Sequence[str], word: str, is_secret_name: Callable[[str], bool]) -> bool:
    """Return whether the words before say that this one is a credential: of `wandb login` itself, or by its name."""
    plain = [each for each in before[-4:] if not each.startswith("-")]
    for saying in _SAYING:
        if saying[-1] == "login":
            if tuple(plain[-2:]) == saying and not word.startswith("-"):
                return True
        elif len(plain) > len(saying) and tuple(plain[-len(saying) - 1 : -1]) == saying and is_secret_name(plain[-1]):
            return True
    return False
