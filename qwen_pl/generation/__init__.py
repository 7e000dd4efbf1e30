"""How does it write?"""
