"""Which paragraphs are meant?"""
