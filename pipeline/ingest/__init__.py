"""Shop topics in, frames of the log out: validate, route, batch, and say up to when each source has been read."""
