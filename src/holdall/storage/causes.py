"""What led to an error of a request, and nothing from before the request.

Python chains an error to whatever was being handled when it was raised, also
where that has nothing to do with it: a request that is sent inside an `except`
block and gets no answer would seem to have got the answer that its caller is
busy with. So a sender remembers first what was being handled
then (`sys.exception()`), and looks for causes only down to there.
"""

from __future__ import annotations

from collections.abc import Iterator


def causes(error: BaseException, before: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what led to it since a request began.

    Args:
        error: What the request raised.
        before: What was being handled when the request began, by `sys.exception()`.
    """
    older = {id(earlier) for earlier in _chain(before)}
    for cause in _chain(error):
        if id(cause) in older and cause is not error:
            return
        yield cause


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
