"""Learning: River's online models over the examples, each predicted before it is learned. Pure: no Kafka, no clock."""
