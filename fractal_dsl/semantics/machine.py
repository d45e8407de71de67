"""Runs generator functions that call each other by `yield`, on a stack of its own.

The evaluator is written as plain recursive functions; here their nesting costs heap, not
Python's stack, so a rule may recur ten thousand calls deep.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

__all__ = ["Steps", "run"]

Result = TypeVar("Result")
Steps: TypeAlias = Generator["Steps[Any]", Any, Result]


def run(steps: Steps[Result]) -> Result:
    """The return value of `steps`; each generator it yields is run, its result sent back."""
    stack: list[Steps[Any]] = [steps]
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            if error is None:
                called = stack[-1].send(value)
            else:
                called = stack[-1].throw(error)
        except StopIteration as stop:
            value, error = stop.value, None
            stack.pop()
            if not stack:
                return value  # type: ignore[no-any-return]
        except BaseException as caught:
            stack.pop()
            if not stack:
                raise
            error = caught.with_traceback(None)
        else:
            stack.append(called)
            value, error = None, None
