"""Is everything there, and intact; and what can be healed of what is not.

`check` holds every object of a store against the format. `repair` lets runs use whole copies of content whose
packs are damaged or gone.
"""
