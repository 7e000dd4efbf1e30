"""How is a page read that is a picture?"""
