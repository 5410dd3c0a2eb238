"""A star takes holdall's names, and leaves the builtin `open` what it is. Never run."""

from holdall import *

with open("rates.txt") as file, start_run() as run:
    text: str = file.read()
    log_text(text, "rates.txt")
    run.log_param("rate", float(text))
