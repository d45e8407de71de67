"""Programs as standalone torch code."""

from fractal_dsl.emit.torch.module import emit_module

__all__ = ["emit_module"]
