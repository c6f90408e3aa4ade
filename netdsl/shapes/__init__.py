"""The second pass: `infer.infer` computes shapes and costs, from a ResolvedNetwork to a TypedNetwork.

Names are bound before it and code is generated after it: no syntax trees and no Python in here.
"""
