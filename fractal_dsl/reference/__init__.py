"""The slow, plain way: what the compiler's output and its fast passes are checked against."""
