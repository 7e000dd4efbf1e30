"""How do text files become paragraphs?"""
