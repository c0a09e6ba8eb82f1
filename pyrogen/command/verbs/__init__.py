"""The verbs of the command line, one file each; every one is imported when it is typed, and imports torch when it works."""
