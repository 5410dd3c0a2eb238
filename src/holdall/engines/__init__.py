"""Many independent pieces of work on one machine's threads, or on a cluster.

`open_engine(name).map(function, shards)` yields results in the order of the shards, whatever the engine. Whoever
calls it is the one coordinator: it merges the results, and workers write nothing that two of them could write.
"""
