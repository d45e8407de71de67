"""Generated code brought to life in this process; the only room that runs it."""

from fractal_dsl.runtime.load import load_class, load_module

__all__ = ["load_class", "load_module"]
