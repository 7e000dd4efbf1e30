"""How is it dealt?"""
