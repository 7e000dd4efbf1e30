"""How does the network learn?"""
