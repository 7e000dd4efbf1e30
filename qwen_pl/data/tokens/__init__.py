"""Which ids, which split?"""
