"""Worker processes of this process: fresh interpreters at the end of pipes, for work that needs more than one GIL.

They know nothing of stores: whoever claims one gives it functions to call.
"""
