"""The wheel's version: the project's."""

__version__ = "0.1.0"
