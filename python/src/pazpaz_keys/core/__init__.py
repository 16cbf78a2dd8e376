"""The module names of the application that the setup guide describes."""
