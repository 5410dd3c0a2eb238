"""Where a file has numbers of which size, told by the file's own header.

Weights compress well only when the bytes of like weight are put together, and
that needs two things: how many bytes a number has, and where the first one
begins. Formats of the field say both, so nothing has to be guessed for them:

    safetensors     a table in front, of all tensors at once
    npy             a header, then one array; several may follow each other
    zip             from local header to local header: npz by the npy in it,
                    torch.save by its data.pkl, which comes before the storages

A sample of the bytes says as much of large files, where neighbours are alike. Of
small ones, and of mixed, it does not: a folder of small arrays takes 10 to 19 %
more without this. GGUF, which is never small, is left to the sample: it was
measured, and nothing was lost (`benchmarks/numbers.py`).

A wrong answer costs space and never correctness: planes are put back together
whatever the bytes meant. So a file is followed as long as it makes sense and
the rest of it is called unknown; it is never refused. Everything here is a rule
over bytes: it opens nothing, runs nothing that a file holds, and holds at most
`LIMIT` bytes of it.
"""

from holdall.format.numbers.cursor import LIMIT, Span
from holdall.format.numbers.sniffer import Sniffer

__all__ = ["LIMIT", "Sniffer", "Span"]
