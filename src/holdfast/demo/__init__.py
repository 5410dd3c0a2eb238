"""The README's main job, and the S3 server that it can be done against."""
