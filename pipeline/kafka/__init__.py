"""The kafka room: how processes reach Kafka, what topics a namespace has, and a real broker where there is none."""
