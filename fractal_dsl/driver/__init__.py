"""The compiler's stages put together: from a specification to its outputs."""

from fractal_dsl.driver.compilation import Compilation, Style
from fractal_dsl.driver.compile import compile, compile_source

__all__ = ["Compilation", "Style", "compile", "compile_source"]
