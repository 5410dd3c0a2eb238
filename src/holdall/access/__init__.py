"""Who may do what: policies by which a bucket's server lets a role ask for what its verbs ask for, and no more.

Rules alone: nothing here asks a bucket. Four roles, each with the rights of `rights.py`:

    reader      reads all, or one experiment's runs
    writer      reads, and creates what logging creates
    collector   reads, collects garbage, keeps retention rules, writes catalogs
    owner       everything, keys too

What a policy cannot prevent `caveats` says, which belongs beside every policy that is shown. The guide's page on
access has the table of what each verb asks for, which a test makes from what the code really sends.
"""

from __future__ import annotations

from holdall.access.buckets import LOCK_MODES, bucket_policy, lock
from holdall.access.caveats import caveats
from holdall.access.documents import DIALECTS, policy
from holdall.access.refusals import roles_that_may
from holdall.access.rights import ROLES, Rights, rights_of

__all__ = [
    "DIALECTS",
    "LOCK_MODES",
    "ROLES",
    "Rights",
    "bucket_policy",
    "caveats",
    "lock",
    "policy",
    "rights_of",
    "roles_that_may",
]
