"""Pictures of networks, for papers and lectures.

    TypedNetwork --figure--> Figure --draw--> Drawing --svg | png | page--> bytes

A Figure is the content of a picture, a Drawing its layout; the renderers make no decisions. Shapes and
figures come from the TypedNetwork.
"""
