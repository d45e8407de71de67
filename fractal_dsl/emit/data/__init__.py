"""Programs as data: the hierarchical graph as JSON, the flat one as GraphML."""

from fractal_dsl.emit.data.graphml import to_graphml
from fractal_dsl.emit.data.json import VERSION, to_json

__all__ = ["VERSION", "to_graphml", "to_json"]
