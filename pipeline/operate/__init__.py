"""What an operator does with a namespace: look at it, replay what was refused, publish a policy, run it all."""
