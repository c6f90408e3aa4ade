"""The second pass: `infer.infer` computes shapes and costs, a ResolvedNetwork to a TypedNetwork.

Names are resolved before it, and code comes after it: neither syntax trees nor Python belong here.
"""
