"""What observing costs and what of it arrives, beside the peers, and the tools to tune it.

Not shipped.
"""
