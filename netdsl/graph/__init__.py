"""Pictures of networks, for papers and lectures.

    TypedNetwork --figure--> Figure --draw--> Drawing --svg | png | page--> bytes

A Figure says what is to be seen, a Drawing where everything stands; the painters decide nothing.
No shape and no figure is computed here: all is in the TypedNetwork.
"""
