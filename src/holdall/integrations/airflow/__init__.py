"""Airflow finds a store as a file system, so that tasks read and write `holdall://` by `ObjectStoragePath`.

    from airflow.sdk import ObjectStoragePath

    weights = ObjectStoragePath("holdall://models/fraud@champion/model.ubj")

The store is that of `HOLDALL_STORE`, or of an Airflow connection: `holdall://CONNECTION_ID@models/...` takes the extra
field `store` of that connection, an address such as `s3://bucket/prefix`, and the other fields as storage options.
"""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow's provider manager reads by the entry point `apache_airflow_provider`."""
    return {
        "package-name": "holdall",
        "name": "holdall",
        "description": "A content-addressed artifact store in a bucket",
        "filesystems": ["holdall.integrations.airflow.filesystem"],
    }
