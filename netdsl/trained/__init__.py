"""What can be done with a trained network: all that reads run folders."""
