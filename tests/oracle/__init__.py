"""The oracle: Hugging Face's GPT-2 with forward pre-hooks, written independently of our engine."""
