"""How is a run put together?"""
