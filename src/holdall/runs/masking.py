"""Credentials, taken out of text before it is kept.

What a run holds never changes and is read by many, so a password that once
got in stays in. People put them where they do not look like secrets: in an
option, a git remote, a signed URL, a requirement. In doubt this module masks
too much: a lost word costs a puzzled look, a kept key costs the key.

    train.py --api-key X --rate 0.1 DB_PASSWORD=X https://user:X@host/d?sig=X&part=2
    train.py --api-key *** --rate 0.1 DB_PASSWORD=*** https://***@host/d?sig=***&part=2

A credential is known by the name before it, by its place in a URL, or by its
own look. One that has none of these, such as a bare password among the
arguments, goes unnoticed. These are functions of text; they read nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from holdall.runs.commands import hidden_words, mask_commands

MASK: Final = "***"

# Names are compared in lower case, with `_` where a camel had its hump. `tokenizer`, `keyboard` and
# `max_tokens` are no secrets; `apikey`, `key_file` and `accessKeyId` are.
_SECRET_NAME: Final = re.compile(
    r"keys?(?![a-z])|token(?![a-z])|secret|passw(?:or)?d|passphrase|credential"
    r"|(?<![a-z])(?:bearer|pat|pwd?)(?![a-z])|(?<![a-z])(?:tokens|pass|auth|authorization|cookie|jwt|login|sig|signature)$"
)
# What these hold opens nothing, though a part of the name says so: words of their own, or a model's and a table's.
_OTHER_NAME: Final = re.compile(
    r"(?<![a-z])(?:(?:mon|don|tur|hoc|joc|hot|whis)keys?"
    r"|(?:primary|foreign|sort|partition|join|group|index|row|num|n)[_.-]keys?"
    r"|keys?[_.-](?:dim|dims|size|len|length|column|columns|col|cols|field|heads?|bias|points?|frames?|padding[_.-]mask)"
    r"|(?:pad|eos|bos|sep|cls|unk|mask|image|audio|video|special|start|end|stop)[_.-]tokens?(?:[_.-](?:ids?|index|idx))?"
    r"|token[_.-](?:counts?|dim|size|len|length|level|limit|budget|dropout|embeddings?|types?)"
    r"|secretar\w*)(?![a-z])"
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_QUANTITY: Final = re.compile(r"[\d_.,]{1,9}[kKmM]?")

_ASSIGNED: Final = re.compile(r"(?P<name>[\w.+~-]+)\s*=")
_OPTION: Final = re.compile(r"-[A-Za-z]|--[a-z]+(?:[-_.][a-z]+)*(?:=.*)?", re.DOTALL)

# A name in text, and what parts it from its value: `name=`, `"name": `, or `--name ` as in a shell's command.
_NAMED: Final = re.compile(
    r"""(?<![\w.-])\\?["']?(?P<dashes>-*)(?P<name>[A-Za-z_][\w.-]*)(?P<parted>\\?["']?\s*[=:]\s*|\s+(?!-))"""
)
_VALUE: Final = re.compile(
    r"""(?:(?:bearer|basic|token)\s+)?(?:"(?:[^"\\]|\\.)*(?:"|$)|'(?:[^'\\]|\\.)*(?:'|$)|[\[{].*|\S+)""",
    re.DOTALL | re.IGNORECASE,
)
_MASKED: Final = re.compile(r"""\*\*\*["'\])}]*""")
_QUERY_VALUE: Final = re.compile(r"[^\s&#]+")
_SCHEME: Final = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)

# Before the host; a raw slash in a password is told from a path by the colon that no port follows.
# Whatever could scan far in vain is bounded, for an argument may be 128 KiB of anything.
_URL_USER: Final = re.compile(r"://(?P<user>[^\s/?#]*|[^\s/?#@:\[]*:(?!\d+[/?#])[^\s@]*)@")
_BARE_USER: Final = re.compile(r"(?<![^\s/=])[^\s:@/=]{1,256}:[^\s@/]{1,512}@(?!sha\d)(?=[\w\[])")

_LOOKS: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|$)"
    r"|(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl(?:pat|ptt|dt|rt|cbt|soat|ft)-[\w-]{16,}"  # GitHub, GitLab
    r"|hf_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{16,}|pypi-[\w-]{16,}|dckr_[a-z]{3}_[\w-]{16,}"  # places to upload to
    r"|sk-(?=[\w-]{0,64}[A-Z0-9])[\w-]{16,}|[rs]k_(?:live|test)_\w{10,}"  # OpenAI and many others, Stripe
    r"|(?:gsk|r8|xai|pplx|nvapi|pcsk|fw|wandb_v1)[-_](?=[\w-]{0,64}[A-Z0-9])[\w-]{24,}"  # those who sell models
    r"|AIza[\w-]{30,}|ya29\.[\w.-]{16,}|GOCSPX-[\w-]{16,}"  # Google
    r"|xox[a-z](?:\.[a-z]{4})?-[\w-]{10,}|xapp-[\w-]{10,}|\d{8,10}:AA[\w-]{32,}"  # Slack, Telegram
    r"|dapi[0-9a-f]{32}|glsa_\w{16,}|glc_[\w+/=]{16,}|hv[sbr]\.[\w-]{16,}"  # Databricks, Grafana, Vault
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|shp(?:at|ca|pa|ss)_\w{16,}|do[opr]_v1_\w{16,}|PMAK-[\w-]{16,}|lin_api_\w{16,}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{16,}|age-secret-key-1[a-z0-9]{16,}|ATATT3x[\w=-]{16,}|NRAK-\w{16,}|figd_[\w-]{16,}|ntn_\w{16,}"
    r"|eyJ[\w-]{8,1024}\.[\w-]{8,}(?:\.[\w-]*)?"  # a JSON web token
    r")",
    re.DOTALL,
)


_INSTALLER_USER: Final = re.compile(r"://(?P<user>[^\s/?#]*|[^\s/?#@:\[]*:(?!\d+[/?#])[^\s@]*)@")
_INSTALLER_QUERY: Final = re.compile(r"(?<=\S)\?([^\s#]+)")
_INSTALLER_PATH: Final = re.compile(r"(?<=[\w])/t/[\w-]{12,}/")  # of conda's servers

# Addresses that are credentials: with one of them, anybody can post there, or install from there.
_DOORS: Final = re.compile(
    r"(?P<door>://(?:[\w.-]*\bhooks\.slack\.com/(?:services|workflows|triggers)/|"
    r"(?:\w+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/|[\w.-]*webhook\.office\.com/|outlook\.office(?:365)?\.com/webhook/|"
    r"hooks\.zapier\.com/hooks/|maker\.ifttt\.com/trigger/[\w-]+/(?:json/)?with/key/|hc-ping\.com/|"
    r"hook\.[\w.]*make\.com/|open\.(?:feishu|larksuite)\.(?:cn|com)/open-apis/bot/v2/hook/|"
    r"api\.telegram\.org/(?:file/)?bot|[\w.-]+(?::\d+)?/(?:[\w/-]{1,64}/)?(?:hooks?|webhooks?)/(?=[\w-]{0,64}\d)(?=[\w-]{16})|"
    r"[\w.-]+(?::\d+)?/(?:[\w-]+/)?t/(?=[\w-]{12})))[^\s?#\"'/]+(?P<rest>(?:/[^\s?#\"'/]+)*)",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Return whether an option, variable or parameter of this name holds a credential."""
    return bool(_SECRET_NAME.search(_OTHER_NAME.sub("", _HUMP.sub("_", name).lower())))


def mask_arguments(argv: Sequence[str]) -> list[str]:
    """Return a command line, as many words as before, with `***` where a credential was.

    Args:
        argv: The words as the program got them. An option whose name says secret hides
            what follows its `=`, or else the next word, unless that looks like an option:
            `--` and small letters alone, for what has capitals or digits may be a credential.
    """
    masked: list[str] = []
    hidden = hidden_words(argv, MASK, is_secret_name)
    name = ""  # of the secret option just before, without a value of its own
    for n, word in enumerate(argv):
        if n in hidden:
            masked.append(hidden[n])
        else:
            masked.append(MASK if name and not _OPTION.fullmatch(word) and _hides(name, word) else _mask_word(word))
        scheme = name and word.lower() in ("bearer", "basic")  # the credential itself is still to come
        named = (word.startswith("-") and "=" not in word) or word.endswith(":")
        name = name if scheme else word if named and is_secret_name(word.rstrip(":")) else ""
    return masked


def mask_text(text: str) -> str:
    """Return any text, such as a URL or a message, with `***` where a credential was."""
    text = _DOORS.sub(rf"\g<door>{MASK}", text) if "://" in text else text
    text = mask_commands(_LOOKS.sub(MASK, text), MASK, is_secret_name)
    text = re.sub(r"\S+", _mask_users, text) if "@" in text else text
    return _SCHEME.sub(rf"\1 {MASK}", _mask_named(text))


def mask_all(value: Any) -> Any:
    """Return a JSON value in which every string was masked, and can be written as UTF-8."""
    match value:
        case str():
            return mask_text(value.encode(errors="backslashreplace").decode())
        case dict():
            return {mask_all(key): mask_all(item) for key, item in value.items()}
        case list() | tuple():
            return [mask_all(item) for item in value]
    return value


def without_credentials(text: str) -> str:
    """Return a requirement or a channel without the credentials in its address.

    Users before a host, secret parameters and tokens in a path are left out; a
    `${NAME}`, which pip itself fills in, stays. Where only the look of a token
    gives it away, `***` stands for it.
    """
    text = _INSTALLER_USER.sub(lambda found: found[0] if _is_no_secret(found["user"]) else "://", text)
    text = _INSTALLER_PATH.sub("/", _INSTALLER_QUERY.sub(_left_query, text))
    return _LOOKS.sub(MASK, text)


def _is_no_secret(user: str) -> bool:
    """Return whether a user is no secret: `git` opens nothing, and a variable's value is not here."""
    return user == "git" or not re.sub(r"\$\{[A-Z0-9_]+\}|[:_]|__token__", "", user)


def _left_query(found: re.Match[str]) -> str:
    kept = [pair for pair in found[1].split("&") if not is_secret_name(pair.partition("=")[0]) or "${" in pair]
    return "?" + "&".join(kept) if kept else ""


def _mask_word(word: str) -> str:
    """Mask one argument: all that follows the `=` of a secret name goes, spaces included."""
    position = 0
    while assigned := _ASSIGNED.match(word, position):
        position = assigned.end()
        if is_secret_name(assigned["name"]):
            return mask_text(word[:position]) + MASK if _hides(assigned["name"], word[position:]) else word
    return mask_text(word)


def _mask_users(match: re.Match[str]) -> str:
    """Mask the users in a stretch without spaces; they stand before its last `@`."""
    end = match[0].rfind("@") + 5
    return _BARE_USER.sub(f"{MASK}@", _URL_USER.sub(_mask_user, match[0][:end])) + match[0][end:]


def _mask_user(match: re.Match[str]) -> str:
    """Mask a user, but for `git`, which is the user of every forge and opens nothing."""
    return match[0] if match["user"] == "git" else f"://{MASK}@"


def _mask_named(text: str) -> str:
    """Mask the values that follow a secret name in a text."""
    kept, position = [], 0
    while match := _NAMED.search(text, position):
        kept.append(text[position : match.end()])
        position = match.end()
        before = text[max(0, match.start() - 2) : match.start()]
        if not _names_a_secret(match, before):
            continue
        value = (_QUERY_VALUE if before.endswith(("?", "&")) else _VALUE).match(text, position)
        if value and _hides(match["name"], value[0]) and not _MASKED.fullmatch(value[0]):
            kept.append(MASK)
            position = value.end()
    return "".join(kept) + text[position:]


def _names_a_secret(match: re.Match[str], before: str) -> bool:
    """Return whether a word names a secret: before a space only with dashes, and never a host before its port."""
    if not is_secret_name(match["name"]):
        return False
    parted = match["parted"].strip()
    if parted == ":":
        return not before.endswith(("@", "//"))
    return bool(parted) or bool(match["dashes"])


def _hides(name: str, value: str) -> bool:
    """Return whether the value of a secret name is one: `--tokens 4096` is a quantity, `--login alice` only a name."""
    if name.lower().endswith("login") and ":" not in value:
        return False
    return not (name.lower().endswith("tokens") and _QUANTITY.fullmatch(value))
