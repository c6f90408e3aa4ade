"""The commands of the command line. What is heavy, torch above all, they import when they run."""
