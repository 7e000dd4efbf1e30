"""Where do weights lie?"""
