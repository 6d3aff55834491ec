"""`./run soak`: what must hold however often the server dies."""
