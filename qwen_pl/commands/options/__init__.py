"""Which words do several verbs take?"""
