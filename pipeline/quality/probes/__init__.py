"""What is looked for in a sample of a site's records: each module holds the probes of one matter."""
