"""What is a page of lines?"""
