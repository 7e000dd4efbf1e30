"""How well did it go?"""
