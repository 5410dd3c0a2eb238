"""Wrong uses of holdall, one on each marked line: a type checker finds all of them. Never run."""

from __future__ import annotations

import holdall
import holdall.sklearn

holdall.log_artifct("model.pt")  # wrong: no such verb
holdall.set_tag("team", "vision", run="0" * 32)  # wrong: the keyword is run_id
holdall.log_params(["rate", "0.1"])  # wrong: a list is no mapping

with holdall.start_run(run_name="wrong") as run:
    run.log_txt("all is well", "report.txt")  # wrong: no such method
    run.log_metric("loss", step="last")  # wrong: the value is missing, and a step is a number
    print(run.info.run_nmae)  # wrong: no such attribute
    if future := holdall.log_metric("loss", 0.5, synchronous=False):
        future.get()  # wrong: it is result(), as of every future

holdall.load_model(17)  # wrong: a model's address is a text or a path
holdall.open("./store").maintenence.check()  # wrong: no such attribute of a store
holdall.sklearn.log_model(object(), name="m", serialisation_format="skops")  # wrong: no such keyword
print(holdall.log_model(object()).model_url)  # wrong: no such attribute
try:
    holdall.get_run("0" * 32)
except holdall.RunNotFonudError:  # wrong: no such class
    print("gone")
