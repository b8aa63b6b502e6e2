"""What is remembered: the customer value, the cart in it, and the rows that a partition of the log keeps of itself."""
