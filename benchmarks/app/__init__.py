"""What the contenders serve: one app that knows nothing of how it is observed."""
