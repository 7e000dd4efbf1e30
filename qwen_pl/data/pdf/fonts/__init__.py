"""What the codes of a font mean: glyph names, encodings and the programs in the file."""
