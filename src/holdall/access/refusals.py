"""What a refusal means: which action was asked for, and whose policy has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holdall.access.rights import ROLES, Rights, rights_of

# what a bucket was asked for -> the action that its server looks for in a policy
S3_ACTIONS: Final = {
    "get": "s3:GetObject",
    "put": "s3:PutObject",
    "list": "s3:ListBucket",
    "delete": "s3:DeleteObject",
}
GCS_ACTIONS: Final = {
    "get": "storage.objects.get",
    "put": "storage.objects.create",
    "list": "storage.objects.list",
    "delete": "storage.objects.delete",
}


def allows(rights: Rights, verb: str, key: str) -> bool:
    """Return whether rights that are not limited have this of a key, or of the beginning of keys that are listed."""
    begins: Sequence[str] = ("",) if verb == "list" and rights.list else getattr(rights, verb)
    return any(key.startswith(begin) for begin in begins)


def roles_that_may(verb: str, key: str) -> list[str]:
    """Return the roles whose policies have this, the least first.

    Example:
        >>> from holdall.access import roles_that_may
        >>> roles_that_may("put", "gc/ffffffffffffffff/condemn")
        ['collector', 'owner']
    """
    return [role for role in ROLES if allows(rights_of(role), verb, key)]


def advice(verb: str, key: str) -> str:
    """Return what to do where a server refused this: whose policy has it."""
    role = roles_that_may(verb, key)[0]
    article = "an" if role[0] in "aeiou" else "a"
    has = f"{article} {role}'s policy has it, one that is limited to experiments only of theirs"
    return f"{has}: `holdall store policy {role}` prints one (holdall guide access)"
