"""What a network is made of, in numbers: the model behind `netdsl summary` and `netdsl diff`."""
