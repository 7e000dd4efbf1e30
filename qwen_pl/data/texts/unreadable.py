"""What is raised for a file whose text cannot be read."""


class Unreadable(Exception):
    """Why, in words that go on after the file's name."""
