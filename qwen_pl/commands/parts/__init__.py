"""What are the longer verbs made of?"""
