"""What readers see of a customer: the JSON of a profile in Redis, made from the stored customer. Pure."""
