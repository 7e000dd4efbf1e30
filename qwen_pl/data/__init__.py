"""How does a PDF become a batch?"""
