"""`python -m fractal_dsl` is `fractalc`."""

from fractal_dsl.cli import entry

if __name__ == "__main__":
    entry()
