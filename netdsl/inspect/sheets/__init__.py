"""Pictures of the inspect commands: `maps` for `netdsl saliency`, `attacks` and `robustness` for the commands
of these names, `dreams` for `netdsl dream`, `album` for `netdsl features`.

They consist of `panels`, sheets of images with captions, and `charts`; `captions` has their texts. The
results are computed in `netdsl.inspect`, not here.
"""
