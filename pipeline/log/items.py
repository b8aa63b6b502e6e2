"""Keys of the items topic: the rows of the tables, and up to where the touches are in them."""

POSITION_KEY = b"/position"
"""No row has it: the key of a row is a MessagePack array."""
