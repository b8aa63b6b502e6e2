"""The schemas room: what every topic holds, as JSON Schemas, examples and an AsyncAPI document made from the types."""
