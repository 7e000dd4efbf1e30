"""What did a step see, was it good?"""
