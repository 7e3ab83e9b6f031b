"""Whether the chain from camera to console is armed: test plates go the whole way, each minute."""
