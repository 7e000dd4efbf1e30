"""How does it leave, and come in?"""
