"""What the commands draw of trained networks, with `netdsl.inspect`.

`maps` draws what `netdsl saliency` finds, `attacks` and `robustness` what the commands of these names find,
`dreams` what `netdsl dream` finds, and `album` the pictures of `netdsl features`. They are made of
`panels`, sheets of images with captions, and of `charts`; `captions` are the words on them.
What is drawn is computed in `netdsl.inspect`; no mathematics of networks belongs here.
"""
