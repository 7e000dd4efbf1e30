"""What do we mend in Lightning?"""
