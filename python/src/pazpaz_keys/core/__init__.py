"""Modules named as those of the application that the guide describes."""
