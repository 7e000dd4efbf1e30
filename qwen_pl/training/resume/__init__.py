"""Why is a resumed run the same?"""
