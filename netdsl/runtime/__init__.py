"""The runtime: trains and evaluates generated networks. It imports torch, and knows no compiler."""
