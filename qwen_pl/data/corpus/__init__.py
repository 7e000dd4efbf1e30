"""Which text is ours?"""
