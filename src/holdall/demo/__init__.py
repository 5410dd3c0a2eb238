"""The README's main job, written only with what a user has.

Two runs train a model on a data set that scikit-learn ships, the second one a
little longer than the first, and log what such runs log. Then it is shown what
each run holds and how much of it the store had already; one run is fetched
elsewhere, and every byte of it verified.
"""

from holdall.demo.training import show

__all__ = ["show"]
