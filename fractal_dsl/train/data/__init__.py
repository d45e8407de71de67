"""Labelled images, wherever they are kept."""

from fractal_dsl.train.data.images import Data, Images
from fractal_dsl.train.data.sources import load_data

__all__ = ["Data", "Images", "load_data"]
