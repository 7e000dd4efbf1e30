"""Reads with pdfium: asks it for the characters and the drawings of a page."""
