"""A store as a file system of fsspec, `holdall://`, for whatever reads files by it."""
