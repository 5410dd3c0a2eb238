"""A content-addressed artifact store for machine learning that needs only a bucket."""
