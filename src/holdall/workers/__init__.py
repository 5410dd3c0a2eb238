"""Worker processes of this process: fresh interpreters at the end of pipes, for work that needs more than one GIL.

They know nothing of stores: whoever claims some (`crew.py`) gives them functions to call, and what runs in
one (`process.py`) can send word before it returns, keep values until its claim ends, and ask for its share of memory.
"""
