"""In the works."""
