"""Reads with pypdf: follows the content of a page and makes lines of what it shows."""
