"""Hostile input at the socket level (being written)."""
