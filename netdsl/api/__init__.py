"""The Python API: the classes and functions of `import netdsl`, on which commands are built.

Start at `loading`; `network` has networks and runs. Results are values that `print` and notebooks show;
nothing here reads arguments of a command line or ends the process. torch is imported when a function needs
it.
"""
