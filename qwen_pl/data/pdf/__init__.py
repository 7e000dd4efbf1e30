"""How do lines come safely from a hostile file?"""
