"""The commands of the command line, one file a command; what several share is in the files `shared_…`.

What is heavy, torch above all, they import when they run. They print and set exit statuses; what is printed
is computed in the rooms below.
"""
