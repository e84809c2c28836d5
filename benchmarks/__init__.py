"""What observing costs, beside the peers, and the tools to tune it. Not shipped."""
