"""How events and time change what is known of a person: orders, affinities, the funnel. Pure, and without policy."""
