"""Checks a GPU against the CPU: `bin/device-check` of the folder that `./run bundle` makes."""
