"""Shared by all Python tests."""

import torch

# The models here are small: one thread is as fast, and does not fight the engine's.
torch.set_num_threads(1)
