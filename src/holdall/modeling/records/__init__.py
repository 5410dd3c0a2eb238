"""What is known of logged models without reading their files."""
