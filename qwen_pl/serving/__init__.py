"""How does it answer over HTTP?"""
